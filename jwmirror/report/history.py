"""The history of a mirror as a record. Pure: its fields are the keys of `jwmirror log --json`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from jwmirror.core.model.maintenance import Hold
from jwmirror.core.model.stored import Generation


@dataclass(frozen=True, kw_only=True)
class History:
    """All generations, and the ancestors of the current one."""

    mirror: str
    current: int | None
    line: tuple[int, ...]  # the current generation, its parent, and so on to the first
    generations: tuple[Generation, ...]  # newest first
    pruned: tuple[int, ...] = ()  # of them, those whose files were removed
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # number -> its pins
    hold: Hold | None = None  # with which runs leave the current generation as it is


def build_history(
    mirror: str,
    current: Generation | None,
    generations: Iterable[Generation],
    pruned: Iterable[int] = (),
    names: Mapping[int, tuple[str, ...]] | None = None,
    hold: Hold | None = None,
) -> History:
    """Return the history of a mirror; `names` are the pins of each generation."""
    known = {generation.number: generation_record(generation) for generation in generations}
    line: list[int] = []
    number = current.number if current else None
    while number is not None and number in known:
        line.append(number)
        number = known[number].parent
    return History(
        mirror=mirror,
        current=current.number if current else None,
        line=tuple(line),
        generations=tuple(known[number] for number in sorted(known, reverse=True)),
        pruned=tuple(pruned),
        names={str(number): pins for number, pins in sorted((names or {}).items())},
        hold=hold,
    )


def generation_record(generation: Generation) -> Generation:
    """Return a generation as recorded in generation.json, without what the store's class adds."""
    return msgspec.convert(vars(generation), Generation)
