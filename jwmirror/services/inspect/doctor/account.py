"""Checks of the token for exclusive files: whether MAST accepts it, and until when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from jwmirror.archive.tables.login import token_owner
from jwmirror.core.errors import NEW_TOKEN, ArchiveError
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.services.inspect.doctor.servers import BRIEF

SOON = timedelta(days=7)
EXPIRY = "expir"  # in the name of a field that says until when: `expires`, `expiration`...


def token_check(url: str, token: str, variable: str) -> Check:
    """Check what the MAST server at `url` says about the token in an environment variable."""
    step = f"make a new token at {NEW_TOKEN}, and put it into {variable}"
    try:
        owner = token_owner(url, token, BRIEF)
    except ArchiveError as err:
        return Check("token", WARN, str(err), "run `jwmirror doctor` again later")
    if owner is None:
        return Check("token", FAIL, f"MAST does not accept the token in {variable}", step)
    expiry = next(filter(None, map(_time, _expiries(owner))), None)
    if expiry is None:
        return Check("token", OK, "MAST accepts it, and does not say until when")
    found = f"MAST accepts it, until {expiry.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if expiry - datetime.now(UTC) < SOON:
        return Check("token", WARN, found, step)
    return Check("token", OK, found)


def _expiries(answer: Any) -> Iterator[object]:
    """Yield the values of all fields whose names say that they are about the end of the token."""
    items = answer.items() if isinstance(answer, dict) else ()
    for name, value in items:
        if EXPIRY in str(name).lower():
            yield value
        yield from _expiries(value)


def _time(value: object) -> datetime | None:
    """Return a time from seconds or milliseconds since 1970, or from ISO text; else None."""
    try:
        if isinstance(value, int | float) and value > 1e9:
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        time = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
