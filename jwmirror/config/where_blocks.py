"""Where-blocks of recipes: which of them can match one exposure, and which then contradict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from jwmirror.core.model import Where
from jwmirror.pipeline.parameters.resolution import Leaf, leaves, normal, plain_value

INSTRUMENTS = {"NRC": "NIRCAM", "NRS": "NIRSPEC", "NIS": "NIRISS", "MIR": "MIRI", "FGS": "FGS"}
GUIDERS = "GUIDER"  # detectors of FGS
Wanted = dict[str, frozenset[str]]  # by key of a match, the values of which one must be there


@dataclass(frozen=True)
class Block:
    """A where-block, and the place in the config where it stands."""

    place: str
    match: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @property
    def wanted(self) -> Wanted:
        """What an exposure must be, in values as they are compared."""
        return {
            key: frozenset(map(plain_value, value if isinstance(value, list) else [value]))
            for key, value in self.match.items()
        }

    @property
    def record(self) -> Where:
        """The block as recipes have it."""
        match = {
            key: tuple(map(str, value)) if isinstance(value, list) else str(value)
            for key, value in self.match.items()
        }
        return Where(match=match, parameters=normal(self.parameters))


def blocks_of(place: str, where: Any) -> list[Block]:
    """The blocks in a recipe's `where`; what is none is left to the schema's mistakes."""
    return [
        Block(f"{place}.where[{i}]", block["match"], block["parameters"])
        for i, block in enumerate(where if isinstance(where, list) else ())
        if isinstance(block, Mapping)
        and isinstance(block.get("match"), Mapping)
        and isinstance(block.get("parameters"), Mapping)
    ]


def ties(blocks: Sequence[Block]) -> list[str]:
    """Pairs of equally specific blocks that can match one exposure and disagree, in words.

    Unless a block with more keys decides for all exposures that both match.
    """
    return [
        f"{one.place} and {_beside(one, other)}: equally specific and both set "
        f"{'.'.join(filter(None, leaf))} ({values[0]!r}, {values[1]!r}); "
        "add a key to the match of the one that should win"
        for one, other in combinations(blocks, 2)
        for leaf, values in sorted(_conflicts(one, other, blocks))
    ]


def _beside(one: Block, other: Block) -> str:
    """The other's place, in short if it is of the same recipe."""
    (here, _), (there, index) = (block.place.rsplit(".", 1) for block in (one, other))
    return index if here == there else other.place


def _conflicts(
    one: Block, other: Block, blocks: Sequence[Block]
) -> Iterator[tuple[Leaf, tuple[Any, Any]]]:
    shared = _shared(one.wanted, other.wanted)
    if len(one.match) != len(other.match) or shared is None:
        return
    judges = [
        leaves(block.parameters)
        for block in blocks
        if len(block.match) > len(one.match) and _covers(block.wanted, shared)
    ]
    here, there = leaves(one.parameters), leaves(other.parameters)
    for leaf in here.keys() & there.keys():
        if here[leaf] != there[leaf] and not any(leaf in judge for judge in judges):
            yield leaf, (here[leaf], there[leaf])


def _shared(one: Wanted, other: Wanted) -> Wanted | None:
    """What an exposure that both match must be; None if there can be none."""
    both = one | other | {key: one[key] & other[key] for key in one.keys() & other.keys()}
    if not all(both.values()):
        return None
    possible = [found for key in both if (found := _instruments(key, both[key]))]
    return None if possible and not frozenset.intersection(*possible) else both


def _instruments(key: str, values: frozenset[str]) -> frozenset[str]:
    """The instruments that values leave possible; none if they do not tell."""
    if key == "instrument":
        return values
    if key not in ("detector", "exp_type"):
        return frozenset()
    starts = ["FGS" if value.startswith(GUIDERS) else value[:3] for value in values]
    known = all(start in INSTRUMENTS for start in starts)
    return frozenset(INSTRUMENTS[start] for start in starts) if known else frozenset()


def _covers(judge: Wanted, shared: Wanted) -> bool:
    """Whether a block matches all exposures of this kind."""
    return all(key in shared and shared[key] <= values for key, values in judge.items())
