"""The generations of a mirror, newest first. Pure. Its fields are the keys of `log --json`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from jwmirror.core.model import Generation


@dataclass(frozen=True, kw_only=True)
class History:
    """Every generation, and those that led to the current one."""

    mirror: str
    current: int | None
    line: tuple[int, ...]  # the current generation, its parent, and so on back to the first
    generations: tuple[Generation, ...]  # newest first
    pruned: tuple[int, ...] = ()  # of them, those whose files can no longer be had
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # number -> its pins


def history_of(
    mirror: str,
    current: Generation | None,
    generations: Iterable[Generation],
    pruned: Iterable[int] = (),
    names: Mapping[int, tuple[str, ...]] | None = None,
) -> History:
    """The history of a mirror."""
    known = {each.number: plain(each) for each in generations}
    line, number = [], current.number if current else None
    while number in known:
        line.append(number)
        number = known[number].parent
    return History(
        mirror=mirror,
        current=current.number if current else None,
        line=tuple(line),
        generations=tuple(known[number] for number in sorted(known, reverse=True)),
        pruned=tuple(pruned),
        names={str(number): found for number, found in sorted((names or {}).items())},
    )


def plain(generation: Generation) -> Generation:
    """A generation as its generation.json has it, without what the store adds."""
    return Generation(**{each.name: getattr(generation, each.name) for each in fields(Generation)})
