"""Links of a shard in the places of what they lead to, where all of its files are known."""

from __future__ import annotations

from collections.abc import Sequence

from aistorch.errors import BrokenLinkError
from aistorch.shards.grouping import split_name
from aistorch.shards.places import Place
from aistorch.shards.tar_links import Link, follow, is_folder


def resolved(shard: str, places: Sequence[Place]) -> tuple[list[Place], dict[int, str]]:
    """The files of a shard, links among them in the places of what they lead to; and the names there, by offset.

    Raises:
        BrokenLinkError: A link of a sample leads nowhere in this shard.
    """
    members: dict[str, Place | Link] = {place[0]: place[3] if isinstance(place[3], Link) else place for place in places}
    found: list[Place] = []
    heads: dict[int, str] = {}
    for place in places:
        name, link = place[0], place[3]
        if not isinstance(link, Link):
            found.append(place)
        elif split_name(name) is not None:
            target = follow(link, members)
            if target is not None:
                found.append((name, *target[1:]))
                heads[target[1]] = target[0]
            elif not is_folder(link, members):
                raise BrokenLinkError.of(shard, name, link.text)
    return found, heads
