"""Positions of targets, by the name resolver of MAST."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec

from jwmirror.archive.tables.cells import NOT_UNDERSTOOD, text_or_blank
from jwmirror.archive.tables.portal import NAMES, Portal
from jwmirror.core.errors import ArchiveError, plain_text
from jwmirror.core.model.search import ResolvedTarget

IN_ORDER = (None, "", "COMPLETE")  # statuses


class NameAnswer(msgspec.Struct):
    """An answer of the resolver: it has no paging, and a status only if something is wrong."""

    positions: list[Any] | None = msgspec.field(default=None, name="resolvedCoordinate")
    status: Any = None
    msg: Any = None


def target_name(name: str) -> str:
    """Return a name as it is recorded: the resolver ignores case and repeated spaces."""
    return " ".join(name.split()).lower()


def resolve_target(portal: Portal, name: str) -> ResolvedTarget:
    """Return where a target is: the first position that MAST's resolver gives.

    Raises:
        ArchiveError: MAST does not answer, or does not know the name.
    """
    content = portal.lookup(" ".join(name.split()))
    try:
        answer = msgspec.json.decode(content, type=NameAnswer)
    except msgspec.DecodeError as err:
        raise _no_answer(name, f"expected an answer of {NAMES} ({plain_text(err)})") from err
    if answer.positions is None or (not answer.positions and answer.status not in IN_ORDER):
        found = f"{NAMES} answers status {answer.status!s:.40} ({answer.msg!s:.400})"
        raise _no_answer(name, found)
    for target in _positions(answer.positions):
        return target
    raise ArchiveError(
        f"MAST's name resolver knows no target {name!r}; correct the name, or write `position` in "
        "its place (moving targets, such as planets, have none: write the numbers of their "
        "programs)."
    )


def _no_answer(name: str, why: str) -> ArchiveError:
    return ArchiveError(
        f"MAST query for the position of {name!r}: {why}; nothing was changed; run again later, or "
        "write `position` in place of the name."
    )


def _positions(places: list[Any]) -> Iterator[ResolvedTarget]:
    """Yield the positions in an answer that are on the sky."""
    for place in places:
        try:
            ra, dec = float(place["ra"]), float(place["decl"])
        except (KeyError, *NOT_UNDERSTOOD):
            continue
        if isfinite(ra) and -90 <= dec <= 90:
            yield ResolvedTarget(
                ra=ra % 360,
                dec=dec,
                canonical=text_or_blank(place.get("canonicalName")),
                resolver=text_or_blank(place.get("resolver")),
                resolved_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
