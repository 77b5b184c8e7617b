"""How the ASDF trees in two FITS files differ, apart from dates and hashes."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from typing import Any

from jwmirror.core.fits import asdf_blocks, is_volatile
from jwmirror.core.model.comparison import TreeDifference

BLOCKS = "binary blocks"


def compare_trees(old: bytes, new: bytes) -> tuple[TreeDifference, ...]:
    """The branches (two levels deep) in which two ASDF files differ."""
    if old == new:
        return ()
    before, after = _leaves_of(old), _leaves_of(new)
    places = [
        place
        for place in before.keys() | after.keys()
        if before.get(place) != after.get(place) or (place in before) != (place in after)
    ]
    counts = Counter(".".join(place[:2]) for place in places)
    pairs = zip_longest(asdf_blocks(old), asdf_blocks(new))
    if blocks := sum(was != now for was, now in pairs):
        counts[BLOCKS] = blocks
    return tuple(TreeDifference(name=name, values=counts[name]) for name in sorted(counts))


def _leaves_of(content: bytes) -> dict[tuple[str, ...], str]:
    from asdf.util import load_yaml

    return dict(_leaves(load_yaml(BytesIO(content), tagged=True), ()))


def _leaves(node: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each leaf by its place; a tag, and an empty node, are leaves too."""
    tag = getattr(node, "_tag", "")
    if isinstance(node, dict):
        items = [(str(key), node[key]) for key in node if not is_volatile(str(key), place)]
    elif isinstance(node, list):
        items = [(str(number), item) for number, item in enumerate(node)]
    else:
        yield place, f"{tag}{node!r}"
        return
    if tag or not items:
        yield (*place, "!"), f"{tag}{type(node).__name__}"
    for key, item in items:
        yield from _leaves(item, (*place, key))
