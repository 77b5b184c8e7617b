"""Differences between the ASDF trees in two FITS files, without dates and hashes."""

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from jwmirror.core.fits import asdf_blocks, is_volatile, read_tree
from jwmirror.core.model.comparison import TreeDifference

BLOCKS = "binary blocks"


def compare_trees(old: bytes, new: bytes) -> tuple[TreeDifference, ...]:
    """Return the branches (two levels deep) in which two ASDF files differ, sorted by name."""
    if old == new:
        return ()
    old_leaves, new_leaves = _read_leaves(old), _read_leaves(new)
    counts = Counter(
        ".".join(path[:2])
        for path in old_leaves.keys() | new_leaves.keys()
        if old_leaves.get(path) != new_leaves.get(path)
    )
    pairs = zip_longest(asdf_blocks(old), asdf_blocks(new))
    if changed_blocks := sum(old_block != new_block for old_block, new_block in pairs):
        counts[BLOCKS] = changed_blocks
    return tuple(TreeDifference(name=name, values=counts[name]) for name in sorted(counts))


def _read_leaves(content: bytes) -> dict[tuple[str, ...], str]:
    """Return the values of an ASDF tree as text, by path."""
    return dict(_leaves(read_tree(content), ()))


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and text of each leaf; tags and empty nodes are leaves, too."""
    tag = getattr(node, "_tag", "")
    if isinstance(node, dict):
        items = [(str(key), node[key]) for key in node if not is_volatile(str(key), path)]
    elif isinstance(node, list):
        items = [(str(number), item) for number, item in enumerate(node)]
    else:
        yield path, f"{tag}{node!r}"
        return
    if tag or not items:
        yield (*path, "!"), f"{tag}{type(node).__name__}"
    for key, item in items:
        yield from _leaves(item, (*path, key))
