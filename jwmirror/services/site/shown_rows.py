"""The rows of the current generation, as a site shows them. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.stored import GONE, PRESENT
from jwmirror.core.names import root_and_suffix
from jwmirror.services.inspect.answers.exclusive import Term
from jwmirror.services.inspect.answers.recommended import optical_elements
from jwmirror.store.manifest import Entries

COLUMNS = (
    *("path", "origin", "sha256", "size", "state", "deselected", "key", "context", "quality"),
    *("result", "identity", "product_uri", "product_cal_ver", "product_crds_ctx", "product_date"),
    *("product_stale", "product_instrument", "product_filter", "product_pupil", "product_sdp_ver"),
)
NOT_MEASURED = "not measured"


class ShownRow(msgspec.Struct, frozen=True, gc=False):
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
    release: str  # day, of an exclusive file, or of what it was made from; "": not known
    is_closed: bool  # others may not read it
    marks: tuple[str, ...]
    instrument: str
    filters: str
    sdp_ver: str = ""
    access: str = ""  # until when it is exclusive, in words: one of the marks

    @property
    def is_upstream(self) -> bool:
        """True for a file of MAST."""
        return self.origin == UPSTREAM

    @property
    def is_exclusive(self) -> bool:
        """True for an exclusive file of MAST."""
        return self.is_closed and not self.key

    @property
    def is_made_from_exclusive(self) -> bool:
        """True for a file that a recipe made from exclusive data."""
        return self.is_closed and bool(self.key)

    @property
    def place(self) -> tuple[str, str]:
        """The folders of its program and observation."""
        return self.program, self.observation


def shown_rows(
    entries: Entries,
    closed: Collection[str],
    term_of: Callable[[str, str, str], Term | None],
    today: str,
    ages: Mapping[str, str],
) -> list[ShownRow]:
    """Return all rows; `closed` are the sha256 of files that others may not read.

    `term_of` returns until when the file of a path, sha256 and key is exclusive, of a result of
    exclusive data, too. `today` is a day (ISO), with which release dates are compared. `ages` are
    the files of MAST that are older than their raw data, by path, in words.
    """
    return list(_rows(entries, closed, term_of, today, ages))


def _rows(
    entries: Entries,
    closed: Collection[str],
    term_of: Callable[[str, str, str], Term | None],
    today: str,
    ages: Mapping[str, str],
) -> Iterator[ShownRow]:
    for (
        path, origin, sha256, size, state, deselected, key, context, quality, result, identity,
        _uri, cal_ver, crds_ctx, date, stale, instrument, filter_, pupil, sdp_ver,
    ) in zip(*map(entries.column, COLUMNS), strict=True):  # fmt: skip
        *_, program, observation, filename = path.split("/")
        root, suffix = root_and_suffix(filename)
        term = term_of(path, sha256, key) if sha256 in closed else None
        access = term.words(today, is_result=bool(key)) if term else ""
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
            release=term.day if term else "",
            is_closed=sha256 in closed,
            marks=_marks(access, state, deselected, stale, ages.get(path, "")),
            instrument=instrument or "",
            filters=optical_elements(filter_, pupil),
            access=access,
            sdp_ver=sdp_ver or "",
        )


def _marks(
    access: str, state: str, deselected: str, stale: bool | None, age: str
) -> tuple[str, ...]:
    """Return what is to be said of a file, in words."""
    if state == PRESENT and not (access or deselected or stale or age):
        return ()
    words = {
        access: bool(access),
        "not listed by MAST any more, kept here": state == GONE,
        f"not selected by the config any more, last checked on {deselected[:10]}": bool(deselected),
        "queued at MAST for reprocessing": bool(stale),
        age: bool(age),
    }
    return tuple(each for each, is_so in words.items() if is_so)
