"""Shards as hypothesis makes them, and where they are cut."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.shards import Files

keys = st.lists(
    st.text("abü", min_size=1, max_size=3).flatmap(lambda base: st.sampled_from([base, f"d/{base}", f"e.f/{base}"])),
    max_size=8,
    unique=True,
)
extensions = st.lists(st.sampled_from(["x", "y", "seg.png", ""]), min_size=1, max_size=3, unique=True)
sizes = st.sampled_from([0, 1, 511, 512, 513, 1500])


@st.composite
def shards(draw: st.DrawFn) -> Files:
    """Files of samples side by side, some of no sample among them."""
    files: Files = []
    for number, key in enumerate(draw(keys)):
        files += [(f"{key}.{extension}", bytes([number]) * draw(sizes)) for extension in draw(extensions)]
        if draw(st.booleans()):
            files.append((f"no-sample-{number}", b"0"))
    return files


cuts = st.lists(st.integers(0, 1 << 14), max_size=6)
