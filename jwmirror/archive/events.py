"""MAST's subscription events, and polls that are limited to the observations they name.

Events are hints only: they make a poll smaller, and a later full poll finds the same changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from jwmirror.core import names
from jwmirror.core.errors import ArchiveError, failures_as, plain_text
from jwmirror.core.files import read_bytes
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
        """The observation in the file's name, or ""."""
        parts = names.parse_product(self.filename)
        return parts.observation if parts else ""


def read_events(path: Path) -> tuple[Event, ...]:
    """Return the JWST events in a subscription's attachment; ArchiveError if it is another file."""
    with failures_as(lambda why: _refused(path, why)):
        try:
            content = read_bytes(path)
        except OSError as err:
            raise _refused(path, err.strerror or plain_text(err)) from err
        events = msgspec.json.decode(content, type=tuple[Event, ...])
    return tuple(event for event in events if event.mission.upper() == "JWST")


def _refused(path: Path, found: str) -> ArchiveError:
    return ArchiveError(
        f"{path}: expected the JSON list of events that MAST attaches to a subscription's e-mail, "
        f"found: {found}; nothing was taken from it."
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
        numbers = selection.observations
        names_of_some = [""] if numbers is None else [f"o{number:03d}" for number in numbers]
        selected[selection.program].update(names_of_some)
    hinted: dict[int, set[str]] = defaultdict(set)
    for hint in hints:
        hinted[hint.program].update(hint.observations or [""])
    limits: dict[int, tuple[str, ...]] = {}
    for program in sorted(hinted.keys() & selected.keys()):
        some, allowed = hinted[program], selected[program]
        if "" in some:
            limits[program] = ()
        elif both := some if "" in allowed else some & allowed:
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
    """Return the former listing with the products of these observations replaced by `part`."""
    others = (product for product in former.products if product.observation not in observations)
    products = sorted((*others, *part.products), key=lambda product: product.uri)
    return replace(part, products=tuple(products))
