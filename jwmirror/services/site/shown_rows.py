"""The rows of the current generation, as a site shows them. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.stored import GONE
from jwmirror.core.names import is_exposure_root, root_and_suffix
from jwmirror.store.manifest import Entries

COLUMNS = (
    *("path", "origin", "sha256", "size", "state", "deselected", "key", "context", "quality"),
    *("result", "identity", "product_uri", "product_cal_ver", "product_crds_ctx", "product_date"),
    *("product_exclusive", "product_needs_token", "product_release_date", "product_stale"),
    *("product_instrument", "product_filter", "product_pupil", "product_sdp_ver"),
)
NOT_MEASURED = "not measured"
UNTIL, NOT_KNOWN = "exclusive until", "exclusive; the release date is not known"
RAW = "uncal"


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
    sdp_ver: str = ""
    until: str = ""  # day, of a file that a recipe made from exclusive data
    access: str = ""  # until when it is exclusive, in words: one of the marks

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
        filter_, pupil, sdp_ver,
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
            access=until,
            sdp_ver=sdp_ver or "",
        )


def with_origins(
    rows: Iterable[ShownRow], inputs_of: Callable[[str], Collection[str]], today: str
) -> list[ShownRow]:
    """Return the rows with what follows from their inputs among the marks.

    Of a result of exclusive data: until when it is exclusive. Of a file of MAST: that its raw data
    were replaced since it was made. `inputs_of` a key are the contents (sha256, identities) of the
    inputs of its result.
    """
    rows = list(rows)
    release_of = _Releases(rows, inputs_of).of
    raw = _raw_days(rows)
    return [_with_origin(row, release_of, raw, today) for row in rows]


class _Releases:
    """The last release of the exclusive files that a result is made from."""

    def __init__(self, rows: Iterable[ShownRow], inputs_of: Callable[[str], Collection[str]]):
        self._inputs_of = inputs_of
        self._days: dict[str, str] = {}  # by content of a file of MAST; "": not known
        self._keys: dict[str, str] = {}  # by content of a result
        self._found: dict[str, str | None] = {}  # by key
        for row in rows:
            for content in filter(None, (row.sha256, row.identity)):
                if row.is_exclusive:
                    self._days[content] = row.release
                elif row.key and row.is_closed:
                    self._keys[content] = row.key

    def of(self, key: str) -> str | None:
        """Return the day (ISO), "" if one is not known; None if it is made of no such file."""
        if key not in self._found:
            self._found[key] = None  # while its inputs are looked at
            days = [self._of_content(content) for content in self._inputs_of(key)]
            known = [day for day in days if day is not None]
            self._found[key] = None if not known else "" if "" in known else max(known)
        return self._found[key]

    def _of_content(self, content: str) -> str | None:
        if content in self._days:
            return self._days[content]
        return self.of(self._keys[content]) if content in self._keys else None


def _raw_days(rows: Iterable[ShownRow]) -> dict[tuple[str, str, str], str]:
    """Return the newest day of raw data, by exposure, and by observation and filter."""
    days: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if row.is_upstream and row.suffix == RAW and row.made:
            for about in ((*row.place, row.root), (*row.place, f"{row.instrument} {row.filters}")):
                days[about] = max(row.made, days.get(about, ""))
    return days


def _with_origin(
    row: ShownRow,
    release_of: Callable[[str], str | None],
    raw: dict[tuple[str, str, str], str],
    today: str,
) -> ShownRow:
    if row.key and row.is_closed:
        day = release_of(row.key) or ""
        access = _made_from_exclusive(day, today)
        return row._replace(until=day, access=access, marks=(access, *row.marks))
    if row.is_upstream and row.made and row.suffix != RAW:
        is_exposure = is_exposure_root(row.root)
        about = row.root if is_exposure else f"{row.instrument} {row.filters}"
        if (day := raw.get((*row.place, about), "")) > row.made:
            whose = "its raw data" if is_exposure else "raw data of its observation and filter"
            mark = f"made before {whose} were replaced ({day})"
            return row._replace(marks=(*row.marks, mark))
    return row


def _made_from_exclusive(day: str, today: str) -> str:
    if not day:
        return "exclusive (made from exclusive data whose release date is not known)"
    if day > today:
        return f"{UNTIL} {day} (made from exclusive data)"
    return (
        f"exclusive (made from data that MAST withholds although the release date {day} has passed)"
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
        return NOT_KNOWN
    day = release[:10]
    return (
        f"{UNTIL} {day}"
        if day > today
        else f"withheld by MAST although its release date {day} has passed"
    )


def _filters(filter_: str | None, pupil: str | None) -> str:
    """Return the optical elements that say something: F200W, F444W+F405N."""
    names = [name for name in (filter_, pupil) if name and name.upper() not in ("CLEAR", "CLEARP")]
    return "+".join(names)
