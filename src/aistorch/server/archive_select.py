"""Several members of an archive at once: AIStore's `archmode` and `archregx`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

from aistorch.server.archive import Archive, damage_named
from aistorch.server.archive_formats import ArchiveFormat, MemberMissing
from aistorch.server.archive_write import Entry, stream_archive
from aistorch.server.regex_process import InvalidSelection, RegexProcess

MATCH_ALL = ("", "*")


def make_matcher(mode: str, pattern: str) -> AbstractContextManager[Callable[[str], bool]]:
    """The test that a member's name has to pass, for a `with` block.

    Args:
        mode: `regexp` (found anywhere in the name), `prefix`, `suffix`, `substr` or `wdskey`.
        pattern: What to look for; `MATCH_ALL` takes every member.

    Raises:
        InvalidSelection: The mode is unknown, or the pattern not a regular expression.
    """
    modes: dict[str, Callable[[str], bool]] = {
        "prefix": lambda name: name.startswith(pattern),
        "suffix": lambda name: name.endswith(pattern),
        "substr": lambda name: pattern in name,
        "wdskey": lambda name: without_last_extension(name) == pattern,
    }
    if mode != "regexp" and mode not in modes:
        raise InvalidSelection(f"unknown archmode {mode!r}: use regexp, {', '.join(modes)}")
    if pattern in MATCH_ALL:
        return nullcontext(lambda _: True)
    return nullcontext(modes[mode]) if mode in modes else RegexProcess(pattern)


def without_last_extension(name: str) -> str:
    """The key AIStore gives a member: its name without the last extension, `a/k.seg` for `a/k.seg.png`.

    WebDataset's own rule cuts at the first dot; this is the server's. A leading `/` does not count.
    """
    stem, dot, extension = name.rpartition(".")
    return (stem if dot and "/" not in extension else name).removeprefix("/")


def select_members(archive: Archive, matches: Callable[[str], bool], name: str) -> Iterator[bytes]:
    """A TAR, in pieces, of the members that match, with their stored names.

    The first match is looked for at once, so that there being none is known before anything is sent.

    Args:
        archive: Any format; stays open until the stream is exhausted.
        matches: See `make_matcher`.
        name: Of the archive, for messages.

    Raises:
        MemberMissing: No member matches.
        NotAnArchiveError: The archive is damaged.
    """
    entries = (Entry(m.name, m.size, archive.open(m)) for m in archive if matches(m.name))
    with damage_named(name):
        first = next(entries, None)
    if first is None:
        raise MemberMissing("a member that matches", name)
    return stream_archive(ArchiveFormat.TAR, chain((first,), entries))
