"""How workers share pages: every object with exactly one of them, in turn, whatever the pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aistorch.index.object_index import ObjectIndex
from aistorch.loading.worker_slots import Share


@given(lengths=st.lists(st.integers(1, 20), max_size=8), workers=st.integers(1, 7), batch_size=st.integers(1, 9))
def test_every_object_is_one_workers(lengths: list[int], workers: int, batch_size: int) -> None:
    names = [f"o{number}" for number in range(sum(lengths))]
    pages, start = [], 0
    for length in lengths:
        pages.append(ObjectIndex.from_names(names[start : start + length]))
        start += length
    for worker in range(workers):
        own = list(Share(worker, workers).of_pages(pages, batch_size))
        expected = [name for number, name in enumerate(names) if number // batch_size % workers == worker]
        assert [name for page in own for name in page.names()] == expected
        assert all(len(page) for page in own)


def test_a_process_that_is_no_worker_has_all() -> None:
    assert Share.of_this_process() == Share(0, 1)


def test_pages_are_taken_one_by_one() -> None:
    taken = []

    def pages() -> object:
        for number in range(3):
            taken.append(number)
            yield ObjectIndex.from_names([f"o{number}"])

    share = Share(0, 1).of_pages(pages())  # type: ignore[arg-type]
    next(share)
    assert taken == [0]
