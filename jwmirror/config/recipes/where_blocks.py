"""Where-blocks of recipes: those that can match one exposure must not contradict each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from jwmirror.core.errors import in_yaml
from jwmirror.core.matching import Criteria, criteria_of, describe_match, matches, overlap
from jwmirror.core.model import Where
from jwmirror.core.model.association import Association
from jwmirror.core.model.derivation import STAGES
from jwmirror.core.names import exposure_parts
from jwmirror.pipeline.parameters.resolution import ParameterPath, flatten, normalise


@dataclass(frozen=True)
class Block:
    """A where-block and its place in the config."""

    place: str
    match: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @property
    def criteria(self) -> Criteria:
        """The criteria that an exposure must meet."""
        return criteria_of(self.match)

    @property
    def record(self) -> Where:
        """The block as a record of a recipe."""
        return Where(match=match_of(self.match), parameters=normalise(self.parameters))


def match_of(match: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    """Return criteria of a config as a record has them: texts, or tuples of texts."""
    return {
        key: tuple(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in match.items()
    }


def blocks_of(place: str, where: Any) -> list[Block]:
    """Return the blocks in a recipe's `where`; malformed ones are left to the schema."""
    return [
        Block(f"{place}.where[{i}]", block["match"], block["parameters"])
        for i, block in enumerate(where if isinstance(where, list) else ())
        if isinstance(block, Mapping)
        and isinstance(block.get("match"), Mapping)
        and isinstance(block.get("parameters"), Mapping)
    ]


def contradiction_mistakes(blocks: Sequence[Block]) -> list[str]:
    """Return messages on blocks that can match one exposure, have equally many keys, and disagree.

    They may disagree if a block with more keys decides for all exposures that both match.
    """
    return [
        f"{one.place} and {_short_place(one, other)}: equally specific and both set "
        f"{'.'.join(filter(None, path))} ({in_yaml(values[0])}, {in_yaml(values[1])}); "
        "add a key to the match of the one that should win"
        for one, other in combinations(blocks, 2)
        for path, values in sorted(_conflicts(one, other, blocks))
    ]


def useless_block_mistakes(
    blocks: Iterable[Block], select: Mapping[str, Any], own: Sequence[Association]
) -> Iterator[str]:
    """Yield the blocks with parameters of stage 2 or 3 that can meet no association completely.

    `select` are the criteria of the recipe, `own` its association files, which replace all others
    of their stage. Of a member only its name is known here.
    """
    for block in blocks:
        stages = {pipeline: STAGES.get(pipeline, 1) for pipeline in normalise(block.parameters)}
        later = {pipeline for pipeline, stage in stages.items() if stage > 1}
        match = describe_match(block.match)
        if later and select and overlap(block.criteria, criteria_of(select)) is None:
            yield (
                f"{block.place}.match: no exposure that the recipe selects "
                f"({describe_match(select)}) meets {match}; correct one of them"
            )
        for stage in sorted({stages[pipeline] for pipeline in later}):
            of_stage = [association for association in own if association.stage == stage]
            of_block = [each for each in of_stage if each.pipeline in {*later, ""}]
            if of_stage and not any(_can_meet(block, each) for each in of_block):
                yield (
                    f"{block.place}.match: {match} meets all science members of none of the "
                    f"recipe's associations of stage {stage}, so its parameters would not be used; "
                    "match what all members of one have, or remove these parameters"
                )


def _can_meet(block: Block, association: Association) -> bool:
    """Return whether all science members may meet a block, as far as their names show."""
    return all(
        matches(block.criteria, exposure_parts(member.name).get, if_unknown=True)
        for member in association.science
        if not member.path
    )


def _short_place(one: Block, other: Block) -> str:
    """Return the place of the other block, without the recipe if it is the same."""
    (here, _), (there, index) = (block.place.rsplit(".", 1) for block in (one, other))
    return index if here == there else other.place


def _conflicts(
    one: Block, other: Block, blocks: Sequence[Block]
) -> Iterator[tuple[ParameterPath, tuple[Any, Any]]]:
    """Yield the parameters on which two blocks disagree, with their values."""
    shared = overlap(one.criteria, other.criteria)
    if len(one.match) != len(other.match) or shared is None:
        return
    deciding = [
        flatten(block.parameters)
        for block in blocks
        if len(block.match) > len(one.match) and shared.is_within(block.criteria)
    ]
    here, there = flatten(one.parameters), flatten(other.parameters)
    for path in here.keys() & there.keys():
        if here[path] != there[path] and not any(path in values for values in deciding):
            yield path, (here[path], there[path])
