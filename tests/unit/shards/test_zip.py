"""In which order the files of a zip are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aistorch.index.archive_listing import ArchivedFile
from aistorch.shards.grouping import Grouper, split_name
from aistorch.shards.tar_contents import Files
from aistorch.shards.zip import sample_by_sample

parts = st.sampled_from(["a", "b", "a.d", "a.jpg", "a.cls", "a-b.jpg", "b.x", ".hidden", "a.", "é.jpg"])
paths = st.lists(st.lists(parts, min_size=1, max_size=3).map("/".join), unique=True, max_size=20)


def listed(names: list[str]) -> list[ArchivedFile]:
    return [ArchivedFile(name, number) for number, name in enumerate(names)]


def test_a_folder_that_is_listed_between_the_files_of_a_sample_comes_after_them() -> None:
    names = ["a", "a.cls", "a.d/x.cls", "a.d/x.jpg", "a.jpg", "b.cls"]
    assert [file.name for file in sample_by_sample(listed(names))] == [
        "a", "a.cls", "a.jpg", "a.d/x.cls", "a.d/x.jpg", "b.cls"
    ]  # fmt: skip


@given(paths)
def test_samples_are_those_that_were_listed_in_their_order(names: list[str]) -> None:
    files = listed(sorted(names))
    ordered = sample_by_sample(files)
    assert sorted(ordered) == sorted(files)
    contents = [(file.name, b"%d" % file.size, 0) for file in ordered]
    adjacent, anywhere = Grouper("s.zip"), Grouper("s.zip", "shard")
    samples = adjacent.feed(Files.of(contents)) + adjacent.close()
    assert anywhere.feed(Files.of((file.name, b"%d" % file.size, 0) for file in files)) == []
    assert samples == anywhere.close()
    assert [list(files) for _, files in samples] == [
        [extension for split in map(split_name, sorted(names)) if split and split[0] == key for extension in split[1:]]
        for key, _ in samples
    ]


@given(st.lists(st.sampled_from(["a.x", "a.y", "b.x", "c", "d/a.x"]), unique=True).map(sorted))
def test_what_is_together_already_stays_where_it_is(names: list[str]) -> None:
    assert sample_by_sample(listed(names)) == listed(names)
