"""The check of a token at MAST, before anything is requested with it."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import NEW_TOKEN, ArchiveError, MaintenanceError, as_typed, plain_text
from jwmirror.net.http import (
    HttpClient,
    Timeouts,
    base_url,
    check_token_url,
    discard,
    error_words,
    read_head,
)
from jwmirror.net.request import NO_ACCESS
from jwmirror.net.web_pages import page_title

WHOAMI = "/whoami"
LARGEST_IDENTITY = 1 << 20  # bytes
COOKIE = "mast_token"  # by which MAST and astroquery know a token
REJECTED = (
    "%s rejects the token in %s: it is not known there, or has expired; exclusive files are "
    "withheld, those of the mirror stay as they are, and public files go on; make a new token at "
    "%s, and set it in %s (archive.token_env in the config)"
)

log = logging.getLogger(__name__)


def accepted_token(
    url: str, token: str | None, variable: str, timeouts: Timeouts | None = None
) -> str | None:
    """Return a token if MAST accepts it; None, with one warning, if it does not.

    `variable` is that of the token in the environment. Raises ArchiveError if there is no answer.
    """
    if token is None or token_owner(base_url(url), token, timeouts or Timeouts()):
        return token
    log.warning(REJECTED, base_url(url), variable, NEW_TOKEN, variable)
    return None


def token_owner(url: str, token: str, timeouts: Timeouts) -> dict[str, Any] | None:
    """Return MAST's record of the owner of a token, as astroquery asks for it.

    None if MAST rejects the token. Raises ArchiveError if there is no answer.
    """
    check_token_url(url)
    client = HttpClient(1, timeouts)
    try:
        response = client.open(f"{url}{WHOAMI}", {"Cookie": f"{COOKIE}={token}"})
        status, content = response.status, read_head(response, LARGEST_IDENTITY)
        discard(response)
    except HTTPError as err:
        raise _log_in_error(url, error_words(err)) from err
    finally:
        client.close()
    if status in NO_ACCESS:
        return None
    if title := page_title(status, content):
        raise MaintenanceError("the log-in with the token", "MAST", url, status, title)
    if status != HTTPStatus.OK:
        raise _log_in_error(url, f"expected status 200, got {status}")
    try:
        owner = msgspec.json.decode(content, type=dict[str, Any])
        is_anonymous = msgspec.convert(owner.get("anon"), bool)  # no valid token was shown
    except (msgspec.DecodeError, RecursionError) as err:
        raise _log_in_error(url, f"expected the owner of the token ({plain_text(err)})") from err
    return None if is_anonymous else owner


def _log_in_error(url: str, why: object) -> ArchiveError:
    return ArchiveError(
        f"MAST's log-in with the token at {url}{WHOAMI}: {why}; nothing was changed; check "
        f"archive.url in the config and the network, which {as_typed('doctor')} tries, and run "
        "again."
    )
