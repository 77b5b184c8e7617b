"""The rows of the current generation, as a site shows them. Pure."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.stored import GONE
from jwmirror.core.names import root_and_suffix
from jwmirror.store.manifest import Entries

COLUMNS = (
    *("path", "origin", "sha256", "size", "state", "deselected", "key", "context", "quality"),
    *("result", "identity", "product_uri", "product_cal_ver", "product_crds_ctx", "product_date"),
    *("product_exclusive", "product_needs_token", "product_release_date", "product_stale"),
    *("product_instrument", "product_filter", "product_pupil"),
)
NOT_MEASURED = "not measured"


class ShownRow(NamedTuple):
    """One file of the current generation."""

    path: str
    origin: str
    program: str  # folder of the view: jw01345
    observation: str  # folder: o001
    filename: str
    root: str
    suffix: str
    sha256: str
    size: int
    key: str
    result: str  # <pipeline>/<product>
    identity: str
    quality: str  # of a result, in one word
    cal_ver: str
    crds_ctx: str
    made: str  # day
    release: str  # day, of an exclusive file of MAST
    is_exclusive: bool  # as MAST says
    is_closed: bool  # others may not read it
    marks: tuple[str, ...]
    instrument: str
    filters: str

    @property
    def is_upstream(self) -> bool:
        """True for a file of MAST."""
        return self.origin == UPSTREAM

    @property
    def place(self) -> tuple[str, str]:
        """The folders of its program and observation."""
        return self.program, self.observation


def shown_rows(entries: Entries, closed: Collection[str], today: str) -> list[ShownRow]:
    """Return all rows; `closed` are the sha256 of files that others may not read.

    `today` is a day (ISO), with which release dates are compared.
    """
    return list(_rows(entries, closed, today))


def _rows(entries: Entries, closed: Collection[str], today: str) -> Iterator[ShownRow]:
    for (
        path, origin, sha256, size, state, deselected, key, context, quality, result, identity,
        _uri, cal_ver, crds_ctx, date, exclusive, needs_token, release, stale, instrument,
        filter_, pupil,
    ) in zip(*map(entries.column, COLUMNS), strict=True):  # fmt: skip
        *_, program, observation, filename = path.split("/")
        root, suffix = root_and_suffix(filename)
        is_exclusive = bool(exclusive or needs_token)
        until = exclusive_words(release, bool(exclusive), today) if is_exclusive else ""
        yield ShownRow(
            path=path,
            origin=origin,
            program=program,
            observation=observation,
            filename=filename,
            root=root,
            suffix=suffix,
            sha256=sha256,
            size=size,
            key=key,
            result=result,
            identity=identity,
            quality=(quality or NOT_MEASURED) if key else "",
            cal_ver=cal_ver or "",
            crds_ctx=(context if key else crds_ctx) or "",
            made=(date or "")[:10],
            release=(release or "")[:10] if is_exclusive else "",
            is_exclusive=is_exclusive,
            is_closed=sha256 in closed,
            marks=_marks(until, state, deselected, stale),
            instrument=instrument or "",
            filters=_filters(filter_, pupil),
        )


def _marks(until: str, state: str, deselected: str, stale: bool | None) -> tuple[str, ...]:
    """Return what is to be said of a file, in words."""
    words = {
        until: bool(until),
        "not listed by MAST any more, kept here": state == GONE,
        f"not selected by the config any more, last checked on {deselected[:10]}": bool(deselected),
        "queued at MAST for reprocessing": bool(stale),
    }
    return tuple(each for each, is_so in words.items() if is_so)


def exclusive_words(release: str | None, is_listed_so: bool, today: str) -> str:
    """Return until when a file of MAST is exclusive, in words."""
    if not is_listed_so:
        return "exclusive (listed as public, given only with the token)"
    if not release:
        return "exclusive; the release date is not known"
    day = release[:10]
    return (
        f"exclusive until {day}"
        if day > today
        else f"withheld by MAST although its release date {day} has passed"
    )


def _filters(filter_: str | None, pupil: str | None) -> str:
    """Return the optical elements that say something: F200W, F444W+F405N."""
    names = [name for name in (filter_, pupil) if name and name.upper() not in ("CLEAR", "CLEARP")]
    return "+".join(names)
