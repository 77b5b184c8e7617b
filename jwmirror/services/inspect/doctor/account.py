"""Checks of the token for exclusive files: whether MAST accepts it, and until when."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from jwmirror.net.bounds import BoundsError, JsonBudget
from jwmirror.net.http import HttpClient, discard, error_words
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check

WHOAMI = "/whoami"
LARGEST_ANSWER, MOST_VALUES = 1 << 20, 100_000  # bytes, and values in them
SOON = timedelta(days=7)
EXPIRY = "expir"  # in the name of a field that says until when: `expires`, `expiration`...
NEW_TOKEN = "make a new token at https://auth.mast.stsci.edu, and put it into {variable}"


def token_check(client: HttpClient, url: str, token: str, variable: str) -> Check:
    """Check what the MAST server at `url` says about the token in an environment variable."""
    step = NEW_TOKEN.format(variable=variable)
    try:
        answer = _who_am_i(client, url, token)
    except (HTTPError, OSError, ValueError, RecursionError) as err:
        found = f"MAST does not say whether it accepts the token: {error_words(err)}"
        return Check("token", WARN, found, "run `jwmirror doctor` again later")
    if answer.get("anon") is not False:
        return Check("token", FAIL, f"MAST does not accept the token in {variable}", step)
    expiry = next(filter(None, map(_time, _expiries(answer))), None)
    if expiry is None:
        return Check("token", OK, "MAST accepts it, and does not say until when")
    if expiry - datetime.now(UTC) < SOON:
        return Check("token", WARN, f"MAST accepts it, until {_minute(expiry)}", step)
    return Check("token", OK, f"MAST accepts it, until {_minute(expiry)}")


def _who_am_i(client: HttpClient, url: str, token: str) -> dict[str, Any]:
    """Return MAST's record of who shows this token; ValueError if it is no record.

    The token is sent in both forms, as downloads and as astroquery's queries send it.
    """
    response = client.open(f"{url}{WHOAMI}", {"Cookie": f"mast_token={token}"}, show_token=True)
    if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        discard(response)
        return {"anon": True}
    if response.status != HTTPStatus.OK:
        discard(response)
        raise ValueError(f"status {response.status}")
    answer = json.loads(_body(client, response))
    if not isinstance(answer, dict):
        raise ValueError("its answer is of another form")
    return answer


def _body(client: HttpClient, response: urllib3.BaseHTTPResponse) -> bytes:
    pieces: list[bytes] = []
    budget = JsonBudget(LARGEST_ANSWER, MOST_VALUES)

    def add(piece: bytes) -> None:
        budget.spend(piece)
        pieces.append(piece)

    try:
        client.receive(response, add)
    except BoundsError:
        discard(response)
        raise
    response.release_conn()
    return b"".join(pieces)


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


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
