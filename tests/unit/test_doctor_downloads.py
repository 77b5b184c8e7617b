"""`jwmirror doctor`: the checks of downloads see how a server sends files, and what is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jwmirror.archive.evidence.server import FileServer
from jwmirror.core.model import Product
from jwmirror.net.http import HttpClient, Timeouts
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor import sample
from jwmirror.services.inspect.doctor.sample import (
    Sampler,
    cloud_check,
    etag_checks,
    etag_kind,
    ranked_samples,
    sample_checks,
)
from jwmirror_simulator.mast import Archive, Oddities, faults
from tests.setup.file_server import body, file_server  # noqa: F401
from tests.setup.records import ASN, RATE, product

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
CAL = RATE.replace("rate", "cal")


@pytest.fixture
def sampler(archive: Archive) -> Iterator[Sampler]:
    """Requests to the archive."""
    client = HttpClient(1, HASTY)
    yield Sampler(client=client, url=archive.url)
    client.close()


@pytest.fixture
def listed(toys: Path) -> Callable[..., Product]:
    """Return a product as the archive lists it."""

    def listed(filename: str = RATE, **fields: object) -> Product:
        return product(filename, (toys / filename).read_bytes(), **fields)

    return listed


@pytest.fixture
def check(sampler: Sampler, listed: Callable[..., Product]) -> Callable[..., dict[str, Check]]:
    """Check downloads of a rate, and return the checks by subject."""

    def check(**fields: object) -> dict[str, Check]:
        ranked = [listed(**fields), listed(CAL)]
        kind = etag_kind(sampler, ranked)
        checks = (*sample_checks(sampler, ranked), *etag_checks(sampler, ranked, kind))
        return {each.subject: each for each in checks}

    return check


def test_downloads_of_a_sound_server_are_ok(check):
    """Bytes, host, ranges and ETags."""
    checks = check()

    assert {each.outcome for each in checks.values()} == {"ok"}
    assert set(checks) == {"download", "redirects", "ranges", "ETags"}


@pytest.mark.parametrize(
    ("fault", "subject", "outcome", "words"),
    [
        (faults.wrong_bytes(), "download", "fail", "where MAST lists"),
        (faults.wrong_bytes(times=1), "download", "fail", "different bytes"),
        (faults.html_page(), "download", "fail", "a web page"),
        (faults.status(404), "download", "fail", "status 404"),
        (faults.without_length(), "lengths", "warn", "not sent"),
        (faults.unsatisfiable(), "ranges", "warn", "416"),
        (faults.wrong_content_range(), "ranges", "warn", "other bytes"),
        (faults.other_rest(), "ranges", "warn", "other bytes"),
        (faults.without_header("ETag"), "ETags", "warn", "none"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_faults_of_downloads_are_seen(sampler, listed, archive, fault, subject, outcome, words):
    """Each at the check that it concerns, with a next step."""
    archive.fault(RATE, fault)
    ranked = [listed(), listed(CAL)]

    checks = {each.subject: each for each in sample_checks(sampler, ranked)}
    if subject == "ETags":
        checks |= {c.subject: c for c in etag_checks(sampler, ranked, etag_kind(sampler, ranked))}

    assert checks[subject].outcome == outcome
    assert words in checks[subject].found
    assert checks[subject].step


@pytest.mark.parametrize(
    ("switches", "subject", "words"),
    [
        ({"etag": "random"}, "ETags", "another one"),
        ({"etag": "replicas"}, "ETags", "another one"),
        ({"etag": "weak"}, "ETags", "weak"),
        ({"etag": "none"}, "ETags", "none"),
        ({"etag": "none"}, "ranges", "without a strong ETag"),
        ({"ranges": 200}, "ranges", "whole file"),
        ({"ranges": 400}, "ranges", "status 400"),
        ({"ranges": 403}, "ranges", "status 403"),
        ({"ranges": 405}, "ranges", "status 405"),
        ({"ranges": 501}, "ranges", "status 501"),
        ({"length": "none"}, "lengths", "not sent"),
        ({"length": "chunked"}, "lengths", "not sent"),
    ],
)
def test_switches_of_downloads_are_seen(check, archive, switches, subject, words):
    """Each is a warning: a run works with less."""
    archive.oddities = Oddities(**switches)

    found = check()[subject]

    assert found.outcome == "warn"
    assert words in found.found


@pytest.mark.parametrize("kind", ["strong", "weak", "none"])
def test_a_poll_notes_the_kinds_of_the_etags_that_it_sees(archive, listed, kind):
    """Of an unchanged file, too, whose answer has no body."""
    archive.oddities = Oddities(etag=kind)
    server, rate = FileServer(url=archive.url), listed()

    first = server.etags({rate: None})[rate.uri]
    second = server.etags({rate: first})[rate.uri]

    assert first == second
    assert server.etag_kinds == {kind}


@pytest.mark.parametrize(("rate", "outcome"), [(500, "fail"), (10_000, "warn")])
def test_a_body_that_trickles_is_given_up_in_time(
    sampler, listed, archive, monkeypatch, rate, outcome
):
    """What came is said; a run would wait longer, unless it is slower than every run accepts."""
    monkeypatch.setattr(sample, "SAMPLE_S", 0.3)
    archive.fault(RATE, faults.slow(rate=rate))

    with pytest.raises(sample.SlowBodyError) as raised:
        list(sample_checks(sampler, [listed()]))
    check = sample.slow_check(raised.value)

    assert check.outcome == outcome
    assert "bytes came in 0 s" in check.found and check.step


def test_one_etag_for_all_files_is_seen(sampler, listed, archive):
    """It would hide changes."""
    archive.fault("*", same_etag())

    assert etag_kind(sampler, [listed(), listed(CAL)]) == "constant"


def same_etag() -> faults.Fault:
    """Send one ETag with every file."""
    return faults.Fault("same_etag", lambda r: r.but(headers={**r.headers, "ETag": '"one"'}))


def test_the_host_that_files_come_from_is_named(check, archive, toys, server):
    """A firewall has to allow it."""
    server.put(RATE, body((toys / RATE).read_bytes()))
    archive.fault(RATE, faults.redirect_to(f"{server.url}/{RATE}"))

    found = check()["redirects"].found

    assert server.url.partition("//")[2] in found


def test_a_size_that_is_not_the_listed_one_is_seen(check):
    """MAST's sizes may be wrong where it has no checksum."""
    assert check(size=17)["download"].outcome == "warn"


def test_an_exclusive_file_is_not_named(sampler, listed):
    """Outputs are passed on."""
    (first, *_) = sample_checks(sampler, [listed(exclusive=True)])

    assert RATE not in first.found


def test_the_smallest_public_file_with_a_checksum_comes_first():
    """Then those without a checksum; exclusive ones only with a token."""
    exclusive = product(CAL, size=1, checksum="ab" * 16, exclusive=True)
    small, large = (product(size=size, checksum="ab" * 16) for size in (5, 6))
    without, unsized, huge = product(ASN, size=2), product(ASN), product(size=10**9)
    products = [unsized, huge, large, exclusive, without, small]

    assert ranked_samples(products, has_token=False) == [small, large, without]
    assert ranked_samples(products, has_token=True)[-1] == exclusive


# ---- the cloud copy ---------------------------------------------------------------------------


def test_the_cloud_copy_is_compared_with_mast(sampler, listed, toys, server):
    """A version that MAST does not list any more is a warning, as a lack of the file is."""
    server.put(RATE, body((toys / RATE).read_bytes()))
    server.put(CAL, body(b"", 404))

    same, other, none = (
        cloud_check(sampler.client, server.url, [each])
        for each in (listed(), listed(checksum="ab" * 16), listed(CAL))
    )

    assert [same.outcome, other.outcome, none.outcome] == ["ok", "warn", "warn"]
    assert "another version" in other.found
    assert "404" in none.found
