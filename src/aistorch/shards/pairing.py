"""Whether files of several rows that are given side by side belong together, as far as their names tell."""

from __future__ import annotations

from collections.abc import Sequence

from aistorch.errors import UnpairedFilesError
from aistorch.shards.grouping import split_name
from aistorch.shards.names import base_name

# Keys of each row that are remembered until it is known whether rows have the same ones.
_REMEMBERED = 4096


class Pairing:
    """Looks at the names of one sample's files after another.

    Rows whose files have the same keys (base names up to the first dot) must have them in the same order: once the
    files of a sample have had the same key, all must. Rows that have no key in common are paired by position alone.

    Args:
        rows: What the rows are called in errors.
    """

    def __init__(self, rows: Sequence[str]) -> None:
        self._rows = rows
        self._by_key = False
        self._seen: list[set[str]] = [set() for _ in rows]

    def check(self, names: Sequence[str]) -> None:
        """Takes note of the names of one sample's files.

        Raises:
            UnpairedFilesError: They do not belong together.
        """
        keys = [_key(name) for name in names]
        if keys.count(keys[0]) == len(keys):
            self._by_key |= keys[0] is not None and len(keys) > 1
        elif self._by_key or self._are_shifted(keys):
            shown = ", ".join(f"{name!r} of {row}" for name, row in zip(names, self._rows, strict=True))
            raise UnpairedFilesError(
                f"files that do not belong together stand side by side: {shown}. The rows have files of the same keys, "
                "and not in the same order or number: complete them, or pack them anew"
            )

    def _are_shifted(self, keys: Sequence[str | None]) -> bool:
        """Whether a key has been seen in another row at another place."""
        for number, key in enumerate(keys):
            if key is None:
                continue
            if any(key in seen for row, seen in enumerate(self._seen) if row != number):
                return True
            if len(self._seen[number]) < _REMEMBERED:
                self._seen[number].add(key)
        return False


def _key(name: str) -> str | None:
    split = split_name(name)
    return None if split is None else base_name(split[0])
