"""The number of the epoch, in memory that DataLoader workers share with their parent."""

from __future__ import annotations

import torch


class SharedEpoch:
    """A number that reaches persistent workers, too, when the parent sets it.

    The memory has no name and ends with the processes that use it. A copy or a pickle that goes to no worker has a
    number of its own.
    """

    def __init__(self) -> None:
        self._cell = _shared(torch.zeros(1, dtype=torch.int64, device="cpu"))

    @property
    def number(self) -> int:
        """Which epoch it is."""
        return int(self._cell.item())

    @number.setter
    def number(self, epoch: int) -> None:
        self._cell[0] = epoch

    def __setstate__(self, state: dict[str, torch.Tensor]) -> None:
        # What was pickled for a worker is shared already.
        self._cell = _shared(state["_cell"])


def _shared(cell: torch.Tensor) -> torch.Tensor:
    cell.share_memory_()  # type: ignore[no-untyped-call]
    return cell
