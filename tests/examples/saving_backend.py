"""A matplotlib backend for scripts under test: `plt.show()` saves the figures into the folder `PICTURES`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class _SavingManager(FigureManagerBase):
    @classmethod
    def pyplot_show(cls, **_: Any) -> None:
        folder = Path(os.environ["PICTURES"])
        for number in plt.get_fignums():
            plt.figure(number).savefig(folder / f"{len(list(folder.iterdir())):02}.png")
        plt.close("all")


class FigureCanvas(FigureCanvasAgg):
    manager_class = _SavingManager
