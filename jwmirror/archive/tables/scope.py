"""The part of a program that a poll asks MAST for. Pure."""

from collections.abc import Iterable

from jwmirror.core import names
from jwmirror.core.matching import normalise_value
from jwmirror.core.model import Scope, Selection

WITHOUT = (names.POOL, names.OTHER)  # observation; their files are always asked for
EVERYWHERE = "FGS"  # its files of guide stars are listed with observations of all instruments


def scope_to_query(
    program: int, selections: Iterable[Selection], held: Iterable[tuple[str, str | None]]
) -> Scope:
    """Return the observations and instruments that are selected, or that the mirror has.

    `held` are observations with an instrument. What the mirror has is asked for even if it is not
    selected any more: its access may change.
    """
    observations: set[str] | None = set()
    instruments: set[str] | None = set()
    for selection in selections:
        wanted = selection.instruments
        observations = _union(observations, selection.parts)
        instruments = _union(instruments, None if wanted is None else map(normalise_value, wanted))
    parts = set(held)
    observations = _union(observations, (name for name, _ in parts if name not in WITHOUT))
    instruments = _union(instruments, (name for _, name in parts if name))
    if instruments and EVERYWHERE in instruments:
        instruments = None
    return Scope(
        program=program,
        observations=tuple(sorted((observations or set()) - {""})),
        instruments=tuple(sorted(instruments or ())),
    )


def _union(some: set[str] | None, more: Iterable[str] | None) -> set[str] | None:
    """Return all values of both; None if either is not limited."""
    return None if some is None or more is None else some | set(more)
