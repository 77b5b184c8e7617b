"""Grouping of items by a key."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def group_by(items: Iterable[V], key_of: Callable[[V], K]) -> dict[K, list[V]]:
    """Return lists of the items with equal keys, by key; all in the order of the items."""
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key_of(item), []).append(item)
    return groups
