"""A progress bar that costs next to nothing a sample, and nothing when it is not shown."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

MAX_STEP = 1 << 14
INTERVAL = 0.1
"""Seconds between two drawings of the bar, about; the clock is read that often and not at every sample."""


class Progress:
    """Counts samples and bytes on a bar: `Title (worker 1): 12345 objects [00:03, 4115 objects/s, 6.2 MB/s]`.

    Args:
        show: Whether there is a bar; without one every method returns at once.
        title: What stands in front.
        total: How many samples are to come, None where that is not known.
        worker: Number of the DataLoader worker, None outside of workers.
        unit: What a sample is called.
    """

    def __init__(
        self,
        show: bool,
        title: str,
        *,
        total: int | None = None,
        worker: int | None = None,
        unit: str = "objects",
    ) -> None:
        self._bar: tqdm[NoReturn] | None = None
        if show:
            self._bar = _bar(title, total, worker, unit)
        self._samples = self._bytes = self._all_bytes = 0
        self._step = self._skip = 1
        self._begun = self._drawn = time.monotonic()

    def update(self, size: int, samples: int = 1) -> None:
        """Count a sample of `size` bytes, or several that have it together."""
        if self._bar is None:
            return
        self._samples += samples
        self._bytes += size
        self._skip -= 1
        if self._skip <= 0:
            self._draw()

    def close(self) -> None:
        """Draw what is left to draw and leave the bar standing; more calls do nothing."""
        if self._bar is not None:
            self._draw()
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _draw(self) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        # As many updates without a look at the clock as took about the interval.
        if now - self._drawn < INTERVAL / 2:
            self._step = min(self._step * 2, MAX_STEP)
        elif now - self._drawn > INTERVAL:
            self._step = max(self._step // 2, 1)
        self._skip, self._drawn = self._step, now
        self._all_bytes += self._bytes
        rate = self._all_bytes / max(now - self._begun, 1e-9)
        self._bar.set_postfix_str(f"{_with_unit(rate)}/s", refresh=False)
        self._bar.update(self._samples)
        self._samples = self._bytes = 0


def _bar(title: str, total: int | None, worker: int | None, unit: str) -> tqdm[NoReturn]:
    # Imported here: looking for a notebook takes a while, and most runs show no bar.
    from tqdm import tqdm
    from tqdm.auto import tqdm as auto_tqdm

    if worker is None:
        return auto_tqdm(desc=title, total=total, unit=f" {unit}", mininterval=INTERVAL)
    # A worker cannot draw into a notebook, and has a line of its own, below those of the workers before it.
    name = f"{title} (worker {worker})"
    return tqdm(desc=name, total=total, unit=f" {unit}", mininterval=INTERVAL, position=worker)


def _with_unit(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
