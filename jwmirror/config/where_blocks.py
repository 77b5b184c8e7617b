"""Where-blocks of recipes: which of them can match one exposure, and which then contradict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from jwmirror.core.matching import Criteria, criteria_of, overlap
from jwmirror.core.model import Where
from jwmirror.pipeline.parameters.resolution import ParameterPath, flatten, normalise


@dataclass(frozen=True)
class Block:
    """A where-block, and the place in the config where it stands."""

    place: str
    match: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @property
    def criteria(self) -> Criteria:
        """The criteria that an exposure must meet."""
        return criteria_of(self.match)

    @property
    def record(self) -> Where:
        """The block as recipes have it."""
        match = {
            key: tuple(map(str, value)) if isinstance(value, list) else str(value)
            for key, value in self.match.items()
        }
        return Where(match=match, parameters=normalise(self.parameters))


def blocks_of(place: str, where: Any) -> list[Block]:
    """The blocks in a recipe's `where`; what is none is left to the schema's mistakes."""
    return [
        Block(f"{place}.where[{i}]", block["match"], block["parameters"])
        for i, block in enumerate(where if isinstance(where, list) else ())
        if isinstance(block, Mapping)
        and isinstance(block.get("match"), Mapping)
        and isinstance(block.get("parameters"), Mapping)
    ]


def contradictory_blocks(blocks: Sequence[Block]) -> list[str]:
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
) -> Iterator[tuple[ParameterPath, tuple[Any, Any]]]:
    shared = overlap(one.criteria, other.criteria)
    if len(one.match) != len(other.match) or shared is None:
        return
    judges = [
        flatten(block.parameters)
        for block in blocks
        if len(block.match) > len(one.match) and shared.is_within(block.criteria)
    ]
    here, there = flatten(one.parameters), flatten(other.parameters)
    for leaf in here.keys() & there.keys():
        if here[leaf] != there[leaf] and not any(leaf in judge for judge in judges):
            yield leaf, (here[leaf], there[leaf])
