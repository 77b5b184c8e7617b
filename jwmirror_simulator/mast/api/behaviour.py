"""Settings for details of MAST that are not known: clients must work with each of them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the archive answers in details in which MAST is not known or may change."""

    etag: str = "strong"  # "strong", "weak", "none"
    last_modified: bool = True
    length: str = "sent"  # "sent" (Content-Length), "chunked", "none"
    ranges: bool = True  # whether Range is honoured
    heads: bool = True  # whether HEAD is allowed
    polls: int = 0  # answers EXECUTING before each COMPLETE
    page_limit: int = 50_000  # rows in a page at most
    iso_dates: bool = True  # in keyword tables; otherwise /Date(milliseconds)/
    withheld: int = 401  # status for a file that one may not have
