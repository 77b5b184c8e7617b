"""MAST's subscription events, and polls that are limited to the observations they name.

Events are hints only: they make a poll smaller, and a later full poll finds the same changes.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from jwmirror.archive.tables.cells import NOT_UNDERSTOOD, as_program
from jwmirror.core import names
from jwmirror.core.errors import ArchiveError, failures_as, plain_text
from jwmirror.core.files import read_bytes
from jwmirror.core.model import Listing, Product, Scope, Selection, is_among

log = logging.getLogger(__name__)


class Event(msgspec.Struct, frozen=True):
    """One entry of the JSON file that MAST attaches to a subscription's e-mail."""

    mission: str
    filename: str
    program: int
    event_type: str = ""  # New, First, Reprocessed, Public
    archived_date: str | None = None

    @property
    def observation(self) -> str:
        """The observation in the file's name, or ""."""
        parts = names.parse_product(self.filename)
        return parts.observation if parts else ""


def read_events(path: Path) -> tuple[Event, ...]:
    """Return the JWST events in a subscription's attachment; ArchiveError if it is another file.

    Events of other missions, and those that cannot be read, are left out with a warning.
    """
    with failures_as(lambda why: _refused(path, why)):
        try:
            content = read_bytes(path)
        except OSError as err:
            raise _refused(path, err.strerror or plain_text(err)) from err
        items = msgspec.json.decode(content, type=list[Any])
    of_jwst = [item for item in items if _mission(item) in ("JWST", None)]
    events = [event for item in of_jwst if (event := _event(item))]
    _warn(path, len(items) - len(of_jwst), "of other missions")
    _warn(path, len(of_jwst) - len(events), "without a program and the name of a file")
    if of_jwst and not events:
        raise _refused(path, f"{len(of_jwst)} entries without a program and the name of a file")
    return tuple(events)


def _mission(item: object) -> str | None:
    """Return the mission of an entry in capital letters; None if it names none."""
    mission = item.get("mission") if isinstance(item, dict) else None
    return mission.upper() if isinstance(mission, str) else None


def _event(item: object) -> Event | None:
    """Return an entry as an event; None if it is of another form."""
    if not isinstance(item, dict):
        return None
    try:
        return msgspec.convert({**item, "program": as_program(item.get("program"))}, Event)
    except (msgspec.ValidationError, *NOT_UNDERSTOOD):
        return None


def _warn(path: Path, events: int, kind: str) -> None:
    if events:
        log.warning(
            "%s: %d events %s are left out; the next run that asks for everything finds what they "
            "are about",
            *(path, events, kind),
        )


def _refused(path: Path, found: str) -> ArchiveError:
    return ArchiveError(
        f"{Path(path).absolute()}: expected the JSON list of events that MAST attaches to a "
        f"subscription's e-mail, found: {found}; nothing was taken from it; name the attachment."
    )


# ---- which observations to ask for -----------------------------------------------------------


def scopes_of(events: Iterable[Event]) -> tuple[Scope, ...]:
    """Return the programs that events name, each with the observations that changed.

    A whole program is named if the file name of one of its events has no observation.
    """
    observations: dict[int, set[str]] = defaultdict(set)
    for event in events:
        observations[event.program].add(event.observation)
    return tuple(
        Scope(program=program, observations=() if "" in some else tuple(sorted(some)))
        for program, some in sorted(observations.items())
    )


def limit_poll(
    selections: Iterable[Selection], hints: Iterable[Scope]
) -> dict[int, tuple[str, ...]]:
    """Return, by program, the hinted observations that are selected; () means all of them.

    Programs that are not hinted or not selected are absent. An empty result: poll all programs.
    """
    selected: dict[int, set[str]] = defaultdict(set)  # by program; "": every observation
    for selection in selections:
        parts = selection.parts
        selected[selection.program].update([""] if parts is None else parts)
    hinted: dict[int, set[str]] = defaultdict(set)
    for hint in hints:
        hinted[hint.program].update(hint.observations or [""])
    limits: dict[int, tuple[str, ...]] = {}
    for program in sorted(hinted.keys() & selected.keys()):
        some, allowed = hinted[program], selected[program]
        if "" in some:
            limits[program] = ()
        elif both := {name for name in some if "" in allowed or is_among(name, allowed)}:
            limits[program] = tuple(sorted(both))
    return limits


# ---- answers about some observations ---------------------------------------------------------


def no_longer_listed(
    former: Listing, part: Listing, observations: Collection[str]
) -> tuple[Product, ...]:
    """Return the products of these observations that are in the former listing only.

    `part` is an answer limited to the observations. A product that is not in it vanished, or is
    listed under another observation: only a full listing shows which. An association or pool that
    has a newer issue in the answer is not returned.
    """
    uris = {product.uri for product in part.products}
    series = {_series(product.filename) for product in part.products} - {None}
    return tuple(
        product
        for product in former.products
        if product.observation in observations
        and product.uri not in uris
        and _series(product.filename) not in series
    )


def _series(filename: str) -> tuple[int, str, str] | None:
    parts = names.parse_association(filename)
    return parts.series if parts else None


def merge_part(former: Listing, part: Listing, observations: Collection[str]) -> Listing:
    """Return the former listing with the products of these observations replaced by `part`.

    Where an instrument is doubted, `part` has the mirror's products of other observations, too.
    """
    others = (product for product in former.products if product.observation not in observations)
    products = {product.uri: product for product in (*others, *part.products)}
    candidates = {
        name: tuple(sorted({*former.candidates.get(name, ()), *part.candidates.get(name, ())}))
        for name in sorted(former.candidates.keys() | part.candidates.keys())
    }
    ordered = tuple(products[uri] for uri in sorted(products))
    return replace(part, products=ordered, candidates=candidates)
