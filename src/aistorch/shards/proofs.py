"""Which places of which indices have been held against the headers of their shards, so that it need not be done again.

An index names the checksum of its shard. What it says of a file, found right once, is right for all bytes with that
checksum; nothing need be looked at again while replies announce it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aistorch.shards.member_index import MemberIndex

# Shards that are remembered; a byte for each of their files.
_COUNT = 1024

Proof = NDArray[np.bool_]
"""By file of an index: whether it has been held against its header."""


class Proofs:
    """Remembers them for the last shards, for all datasets of a process."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, int], Proof] = {}  # the one used last at the end

    def of(self, index: MemberIndex) -> Proof:
        """What is known of an index, to be added to."""
        key = index.shard_checksum, index.digest
        proof = self._of.pop(key, None)
        if proof is None:
            proof = np.zeros(len(index.offsets), np.bool_)
            for oldest in list(self._of)[: 1 - _COUNT]:
                self._of.pop(oldest, None)  # another thread may have done so
        self._of[key] = proof
        return proof


proofs = Proofs()
