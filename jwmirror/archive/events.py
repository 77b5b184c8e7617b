"""MAST's subscription events: a hint of what changed, before the next poll."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from jwmirror.core import names
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Listing, Product, Scope, Selection


class Event(msgspec.Struct, frozen=True):
    """One entry of the JSON file that MAST attaches to a subscription's e-mail."""

    mission: str
    filename: str
    program: int
    event_type: str  # New, First, Reprocessed, Public
    archived_date: str | None = None

    @property
    def observation(self) -> str:
        """The observation in the file's name; "" where it tells none."""
        found = names.parse(self.filename)
        return found.observation if found else ""


def read_events(path: Path) -> tuple[Event, ...]:
    """The JWST events in a subscription's attachment; ArchiveError if the file is none."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=tuple[Event, ...])
    except (OSError, msgspec.DecodeError) as err:
        raise ArchiveError(
            f"{path}: expected the JSON list of events that MAST attaches to a subscription's "
            f"e-mail, found otherwise ({err}); nothing was taken from it."
        ) from err
    return tuple(event for event in found if event.mission.upper() == "JWST")


def scopes_of(events: Iterable[Event]) -> tuple[Scope, ...]:
    """The programs that events name, each with the observations that changed.

    A program of which an event's file name tells no observation is named as a whole.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for event in events:
        found[event.program].add(event.observation)
    return tuple(
        Scope(program=program, observations=() if "" in some else tuple(sorted(some)))
        for program, some in sorted(found.items())
    )


def limit_poll(
    selections: Iterable[Selection], hints: Iterable[Scope]
) -> dict[int, tuple[str, ...]]:
    """The observations to ask for of each program that the hints name; none are named for all.

    What is not selected is left out. No programs at all: nothing limits the poll.
    """
    chosen: dict[int, set[str] | None] = {}  # by program; None: every observation
    for each in selections:
        chosen[each.program] = _joined(chosen.get(each.program, set()), _observations(each))
    named: dict[int, set[str] | None] = {}
    for hint in hints:
        named[hint.program] = _joined(
            named.get(hint.program, set()), set(hint.observations) or None
        )
    found = {}
    for program in sorted(named.keys() & chosen.keys()):
        wanted, selected = named[program], chosen[program]
        if wanted is None:
            found[program] = ()
        elif both := wanted if selected is None else wanted & selected:
            found[program] = tuple(sorted(both))
    return found


def _joined(some: set[str] | None, more: set[str] | None) -> set[str] | None:
    return None if some is None or more is None else some | more


def _observations(selection: Selection) -> set[str] | None:
    if selection.observations is None:
        return None
    return {f"o{number:03d}" for number in selection.observations}


def no_longer_listed(
    former: Listing, part: Listing, observations: Collection[str]
) -> tuple[Product, ...]:
    """What was listed of the observations and is not in an answer that is limited to them.

    Such a product vanished, or is listed under another observation: only a full listing can tell.
    An association or pool that has a newer issue in the answer is told.
    """
    now = {product.uri for product in part.products}
    reissued = {_series(product.filename) for product in part.products} - {None}
    return tuple(
        product
        for product in former.products
        if product.observation in observations
        and product.uri not in now
        and _series(product.filename) not in reissued
    )


def _series(filename: str) -> tuple[int, str, str] | None:
    named = names.association(filename)
    return named and named.series


def merge_part(former: Listing, part: Listing, observations: Collection[str]) -> Listing:
    """The former listing with all that it says of the observations replaced by a new answer."""
    others = (each for each in former.products if each.observation not in observations)
    products = sorted((*others, *part.products), key=lambda product: product.uri)
    return replace(part, products=tuple(products))
