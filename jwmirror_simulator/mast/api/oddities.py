"""Switches of the archive: ways in which MAST is, or may be, other than its documentation.

Each switch names its source, for docs/reliability.md. [NB] is mast_notebooks,
SI_keyword_exoplanet_search, as recorded on the live service on 2024-05-02; [MQ] is mastquery,
column lists of May 2026; names with a number are public issues; "assumed" is what no public source
says or rules out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

OFF = "no"


def _switch(default: Any, meaning: str, source: str, *values: object) -> Any:  # as field() does
    """Return a field with its meaning and source; `values` are those that it can have."""
    about = {"meaning": meaning, "source": source, "values": values}
    return field(default_factory=lambda: default, metadata=about)


@dataclass(frozen=True, kw_only=True)
class Oddities:
    """How the archive answers; with all switches at their defaults, as MAST documents it.

    Raises:
        ValueError: A switch has a value that it cannot have.
    """

    # ---- keyword tables (Mast.Jwst.Filtered.*) -----------------------------------------------
    keyword_rows: str = _switch(
        "all",
        "keyword tables list all files, only the highest level of each exposure (level 3 stays), "
        "or none",
        "[NB]; against it jwql#797 (2024-10)",
        "all", "highest", "none",
    )  # fmt: skip
    two_rows: str = _switch(
        OFF,
        "a reprocessed file has its former row as well, after or before the new one",
        "assumed",
        OFF, "new first", "old first",
    )  # fmt: skip

    # ---- all tables of the Portal ------------------------------------------------------------
    own_obsids: bool = _switch(
        False,
        "the obsID of each file belongs to no observation that a query finds; its parent_obsid "
        "does",
        "[NB]; astroquery#2840",
    )
    proposal_types: str = _switch(
        "category",
        "CAOM's proposal_type is the category of the program, or JWST; the keyword tables have "
        "`category` and `subcat` in both cases",
        "a recorded row of program 1039 for JWST",
        "category", "JWST",
    )  # fmt: skip
    absent_tables: tuple[str, ...] = _switch(
        (), "these services (Nircam, Mast.Caom.Products) are unknown", "assumed"
    )
    empty_tables: tuple[str, ...] = _switch((), "these services have no rows", "assumed")
    absent_columns: tuple[str, ...] = _switch(
        (), "tables lack these columns", "[MQ]: texptime vanished in May 2026"
    )
    unknown_column: str = _switch(
        "ERROR",
        "a query for an unknown column is answered with status ERROR, with HTTP 500, or without "
        "the column",
        "assumed",
        "ERROR", "500", "ignored",
    )  # fmt: skip
    odd_cells: Mapping[str, object] = _switch(
        {},
        "cells of these columns have this value in all rows: N/A, null, '', -1, '100.0', NaN...",
        "astroquery#3299 for N/A; the others assumed",
    )
    dates: str = _switch(
        "iso",
        "keyword tables spell dates as ISO text, /Date(ms)/ or /Date(ms+zone)/",
        "recorded answers; the zone assumed",
        "iso", "ms", "zoned",
    )  # fmt: skip
    page_limit: int = _switch(50_000, "rows of a page at most", "astroquery 0.4.11")
    cut_at_page: bool = _switch(
        False,
        "rows beyond page_limit are neither sent nor counted, except by COUNT_BIG(*)",
        "assumed: that rowsFiltered goes beyond 50,000 is not confirmed",
    )
    group_limit: int = _switch(
        0,
        "a query for products of more observations than this fails (0: none does)",
        "astroquery#2473, #2507; jwst_mast_query#30",
    )
    group_failure: str = _switch(
        "504",
        "how it fails: an HTTP status, status ERROR, or EXECUTING for ever",
        "astroquery#2507 for 504; the others assumed",
        "504", "500", "ERROR", "EXECUTING",
    )  # fmt: skip
    polls: int = _switch(0, "answers EXECUTING before each COMPLETE", "astroquery 0.4.11")

    # ---- downloads ---------------------------------------------------------------------------
    etag: str = _switch(
        "strong",
        "ETags are strong, weak, absent, other at each request, other at each of two replicas, or "
        "the same for all versions of a file",
        "assumed: no public source says which",
        "strong", "weak", "none", "random", "replicas", "constant",
    )  # fmt: skip
    last_modified: bool = _switch(True, "Last-Modified is sent", "assumed")
    length: str = _switch(
        "sent",
        "Content-Length is sent; or bodies are chunked, or end with the connection",
        "astroquery#3290",
        "sent", "chunked", "none",
    )  # fmt: skip
    ranges: int = _switch(
        206,
        "status of the answer to a Range request; 200 has the whole file",
        "astroquery#3448 for 206; the others assumed",
        206, 200, 400, 403, 405, 501,
    )  # fmt: skip
    heads: bool = _switch(True, "HEAD is allowed", "assumed")
    withheld: int = _switch(
        401, "status for a file that one may not have", "MAST's documentation for 401", 401, 403
    )

    # ---- all requests ------------------------------------------------------------------------
    token: str = _switch(
        "valid",
        "tokens are valid; or expired (whoami answers anonymous); or refused (as expired, and each "
        "download with one is answered 401)",
        "MAST's documentation: they die after 10 idle days; jwql#736; 401 assumed",
        "valid", "expired", "refused",
    )  # fmt: skip
    trickle: float = _switch(0.0, "bytes per second of each body (0: no limit)", "assumed")
    maintenance: tuple[str, ...] = _switch(
        (),
        "these (portal, columns, login, downloads) are answered with a page of HTML and status 200",
        "assumed",
    )

    def __post_init__(self) -> None:
        for switch in fields(self):
            values, value = switch.metadata["values"], getattr(self, switch.name)
            if values and value not in values:
                known = ", ".join(map(str, values))
                raise ValueError(f"{switch.name}: expected one of {known}; got {value!r}")

    @classmethod
    def read(cls, words: Iterable[str]) -> "Oddities":
        """Return the switches of words such as `etag=weak`, `own_obsids` or `odd_cells=size:N/A`.

        Several values have commas between. ValueError for a switch or value that does not exist.
        """
        defaults = {switch.name: getattr(cls(), switch.name) for switch in fields(cls)}
        switches: dict[str, Any] = {}  # of the type of each default
        for word in words:
            name, _, text = word.partition("=")
            if name not in defaults:
                raise ValueError(f"{name}: expected one of {', '.join(defaults)}")
            switches[name] = _value(name, text, defaults[name])
        return cls(**switches)


def switches() -> list[tuple[str, str, str, str]]:
    """Return name, values (the default first), meaning and source of each switch."""
    found = []
    for switch in fields(Oddities):
        about, default = switch.metadata, getattr(Oddities(), switch.name)
        values = about["values"] or (_word(default),)
        found.append((switch.name, ", ".join(map(str, values)), about["meaning"], about["source"]))
    return found


def _word(value: object) -> str:
    """Return a default as it is written."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else "none"


def _value(name: str, text: str, default: object) -> object:
    """Return the value of a switch as written in a command line."""
    if isinstance(default, bool):
        if text not in ("", "yes", "no"):
            raise ValueError(f"{name}: expected yes or no; got {text!r}")
        return text != "no"
    if isinstance(default, int | float):
        return type(default)(text)
    if isinstance(default, tuple):
        return tuple(filter(None, text.split(",")))
    if isinstance(default, Mapping):
        return dict(_cell(part) for part in filter(None, text.split(",")))
    return text


def _cell(text: str) -> tuple[str, object]:
    """Return column and value of `size:N/A`; the value is JSON, or else the text itself."""
    column, _, value = text.partition(":")
    try:
        return column, json.loads(value)
    except ValueError:
        return column, value
