"""A token that MAST rejects: one warning, and all goes on as without one."""

import logging
import pickle

import pytest
from msgspec import structs

from jwmirror.archive import client as clients
from jwmirror.archive.poll import poll
from jwmirror.archive.tables.login import accepted_token
from jwmirror.core.errors import (
    ArchiveError,
    ConfigError,
    MaintenanceError,
    RejectedError,
)
from jwmirror.core.model import Entry, Listing, Poll, Product, Selection
from jwmirror.core.model.product import NEW, REPROCESSED, VANISHED, WITHHELD
from jwmirror_simulator.mast import TOKEN
from jwmirror_simulator.mast.faults import status
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    body,
    file_server,
)
from tests.setup.records import ASN, RATE, entry, listing, product

VARIABLE = "MAST_TOKEN_OF_ANN"
UNCAL, CAL = (RATE.replace("_rate", suffix) for suffix in ("_uncal", "_cal"))
OPEN = product(RATE, b"pixels")
CLOSED = product(UNCAL, b"raw", exclusive=True, release_date="2099-01-01T00:00:00.000")


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_valid_token_and_none_are_used_as_they_are(archive, caplog, token):
    """Without a word."""
    assert accepted_token(archive.url, token, VARIABLE) == token
    assert caplog.text == ""
    assert len(archive.requests) == (token is not None)


def test_a_rejected_token_is_one_warning_with_the_next_step(archive, caplog):
    """It names the variable, and where to make a new one; it does not quote the token."""
    assert accepted_token(archive.url, "dead-token", VARIABLE) is None

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"rejects the token in {VARIABLE}" in record.getMessage()
    assert "make a new token at https://auth.mast.stsci.edu/token" in record.getMessage()
    assert "dead-token" not in record.getMessage()


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_log_in_that_is_refused_is_a_rejected_token(archive, caplog, refusal):
    """Not only one that MAST takes for anonymous."""
    archive.fault("/whoami", status(refusal))

    assert accepted_token(archive.url, TOKEN, VARIABLE) is None
    assert len(caplog.records) == 1


ANSWERS = {
    "another status": body(b'{"anon": false}', status=404),
    "no JSON": body(b"ok"),
    "another answer": body(b'{"anon": "no"}'),
    "an empty one": body(b""),
    "one that is cut": body(b'{"anon": true', Content_Length="999"),
    "one without end": body(b"[" + b"1," * (1 << 20)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_log_in_without_an_answer_is_an_error(server, case):
    """Nobody knows whether the token is good; the message does not quote it."""
    server.put("whoami", ANSWERS[case])

    with pytest.raises(ArchiveError, match="MAST's log-in with the token") as raised:
        accepted_token(server.url, "sesame", VARIABLE, HASTY)

    assert "sesame" not in str(raised.value)


def test_a_page_in_place_of_the_log_in_is_maintenance(server):
    """And not a rejected token."""
    server.put("whoami", body(b"<html><title>Back soon</title></html>"))

    with pytest.raises(MaintenanceError, match=r"in maintenance.*Back soon"):
        accepted_token(server.url, "sesame", VARIABLE, HASTY)


def test_the_log_in_shows_the_token_to_its_server_only(server):
    """Not to others on the network, and not to the one that it redirects to."""
    server.put("whoami", body(b"", status=302, Location=f"{server.url}/other"))
    server.put("other", body(b'{"anon": false}'))

    accepted_token(server.url, "sesame", VARIABLE)
    with pytest.raises(ConfigError, match="readable on the network"):
        accepted_token("http://mast.example.org", "sesame", VARIABLE, HASTY)

    assert server.requests[0][1]["Cookie"] == "mast_token=sesame"


@pytest.fixture
def polled(monkeypatch, archive, caplog):
    """Return the poll of one program with a token, where MAST lists just these products."""

    def polled(*listed: Product, held: tuple[Entry, ...] = (), token: str | None = "dead") -> Poll:
        def answer(*_: object, **__: object) -> Listing:
            return listing(*listed)

        monkeypatch.setattr(clients, "query_listing", answer)
        return poll(archive.url, [Selection(program=1345)], held, token, 2, token_variable=VARIABLE)

    return polled


def kinds_of(result: Poll) -> dict[str, str]:
    """The kinds of a poll's changes, by file name."""
    return {change.product.filename: change.kind for change in result.changes}


def test_with_a_rejected_token_public_files_go_on_and_others_are_withheld(polled, caplog):
    """One warning, and why each file is withheld."""
    caplog.set_level(logging.INFO)

    result = polled(CLOSED, OPEN)

    assert kinds_of(result) == {UNCAL: WITHHELD, RATE: NEW}
    (withheld,) = [change for change in result.changes if change.kind == WITHHELD]
    assert list(map(str, withheld.reasons)) == [
        "the token was rejected",
        "release: - -> 2099-01-01T00:00:00.000",
    ]
    assert f"withheld {UNCAL}: the token was rejected, release" in caplog.text
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and VARIABLE in warnings[0].getMessage()


@pytest.mark.parametrize("token", [None, TOKEN])
def test_only_a_rejected_token_is_called_one(polled, caplog, token):
    """Without one there is nothing to reject."""
    result = polled(CLOSED, token=token)

    assert kinds_of(result) == {UNCAL: NEW if token else WITHHELD}
    assert "rejected" not in str(result.changes) + caplog.text


def test_closed_files_that_a_rejected_token_does_not_show_have_not_vanished(polled, archive):
    """They keep their state; public ones that are no longer listed have vanished."""
    archive.fault(ASN, status(401))
    doubted = product(ASN, b"{}", needs_token=True)
    held = tuple(map(entry, (CLOSED, OPEN, doubted, product(CAL, b"cal"))))

    result = polled(OPEN, held=held)

    assert kinds_of(result) == {CAL: VANISHED}
    (listed,) = result.listings
    assert {CLOSED.uri, doubted.uri} < {item.uri for item in listed.products}
    assert result.doubts == ()


def test_closed_files_that_vanish_with_a_valid_token_have_vanished(polled):
    """MAST would list them."""
    result = polled(OPEN, held=(entry(CLOSED), entry(OPEN)), token=TOKEN)

    assert kinds_of(result) == {UNCAL: VANISHED}


@pytest.mark.parametrize("token", ["dead", TOKEN])
def test_a_file_that_needs_the_token_stays_closed(polled, archive, token):
    """It is not fetched with a token that is rejected, and does not become public by that."""
    newer = structs.replace(OPEN, checksum="5a" * 16)
    archive.fault(RATE, status(401))

    result = polled(newer, held=(entry(structs.replace(OPEN, needs_token=True)),), token=token)

    assert kinds_of(result) == {RATE: WITHHELD if token == "dead" else REPROCESSED}
    assert all(change.product.needs_token for change in result.changes)


def test_errors_pass_from_one_process_to_another():
    """As they are: with their facts and their text."""
    for error in (
        MaintenanceError("a", "MAST", "host", 200, "title"),
        RejectedError("a", "size", 1, 2),
        ConfigError(["one", "two"]),
    ):
        copy = pickle.loads(pickle.dumps(error))

        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
