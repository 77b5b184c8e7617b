"""The public cloud copy: asked without a token, judged like MAST, and never missed."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.archive.cloud import GIVE_UP, bucket_path
from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.model import Failure, Product
from jwmirror.net.http import Timeouts
from jwmirror.net.resume_record import ResumeRecord, resume_key, write_record
from jwmirror_simulator.mast import TOKEN, Archive
from jwmirror_simulator.mast.bucket import Bucket, serve_bucket
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.file_server import FileServer, Reply, body, serve
from tests.setup.records import product

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
I2D = "jw01345-o001_t001_nircam_clear-f200w-sub160_i2d.fits"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
PLACES = {
    RATE: f"jwst/public/jw01345/jw01345001001/{RATE}",
    I2D: f"jwst/public/jw01345/L3/t/o001/{I2D}",
}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """A public bucket, shared by the tests: what they put there is replaced by the next."""
    with serve_bucket() as bucket:
        yield bucket


@pytest.fixture
def fetch(archive, tmp_path):
    """Fetch products with a cloud copy at hand; the outcomes by file name."""

    def fetch(
        cloud_url: str, *products: Product, token: str | None = None
    ) -> dict[str, Downloaded]:
        transfer = MastDownloader(archive.url, token, 2, HASTY, cloud_url)
        outcomes = list(transfer.download(products, tmp_path / "into", tmp_path / "quarantine"))
        return {each.product.filename: each for each in outcomes}

    return fetch


def listed(archive: Archive, name: str) -> Product:
    """A product as MAST lists it."""
    told = {} if name.endswith(".fits") else {"checksum": None}
    return product(name, archive.path(name).read_bytes(), **told)


def asked_of_mast(archive: Archive) -> list[str]:
    """The files that MAST was asked for."""
    return [each.filename for each in archive.requests if each.filename]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *PLACES.items(),
        ("jw01345-c1001_t002_nircam_clear-f200w_i2d.fits", None),
        ("jw01538-o161_s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits", None),
        (ASN, None),
        ("jw01345_20260101t000000_pool.csv", None),
    ],
)
def test_a_name_tells_its_place_in_the_bucket_where_the_layout_is_known(name, place):
    """Exposures by program and visit, combined products of a target by observation."""
    assert bucket_path(name) == place


def test_public_bytes_come_from_the_copy_and_all_else_from_mast(archive, bucket, fetch, caplog):
    """What has a checksum to be judged by is taken from the bucket; MAST gives the rest."""
    caplog.set_level(logging.INFO)
    for name, place in PLACES.items():
        bucket.put(place, archive.path(name).read_bytes())

    found = fetch(bucket.url, *(listed(archive, name) for name in (RATE, I2D, ASN)))

    assert asked_of_mast(archive) == [ASN]
    assert "2 of 3 files came from the cloud copy" in caplog.text
    for name, fetched in found.items():
        assert fetched.path.read_bytes() == archive.path(name).read_bytes()


def test_an_older_copy_is_set_aside_and_mast_gives_the_listed_version(
    archive, bucket, fetch, tmp_path
):
    """The same name and size with former bytes: never taken, and kept apart with the reason."""
    bucket.put(PLACES[RATE], archive.path(RATE).read_bytes())
    archive.reprocess(RATE, toy_fits(tmp_path, RATE, seed=99))

    (fetched,) = fetch(bucket.url, listed(archive, RATE)).values()

    assert fetched.path.read_bytes() == archive.path(RATE).read_bytes()
    (reason,) = (tmp_path / "quarantine").glob(f"{RATE}*.reason")
    assert "listed by" in reason.read_text()
    assert asked_of_mast(archive) == [RATE]


def test_a_right_checksum_does_not_make_an_unreadable_file_welcome(archive, bucket, tmp_path):
    """Bytes that are no FITS file are refused from the copy as they are from MAST."""
    data = b"no FITS at all" * 100
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
    bucket.put(PLACES[RATE], data)
    product = structs.replace(listed(archive, RATE), size=len(data), checksum=checksum)

    (outcome,) = MastDownloader(archive.url, None, 1, HASTY, bucket.url).download(
        [product], tmp_path / "into", tmp_path / "quarantine"
    )

    assert isinstance(outcome, Failure)
    name = f"{RATE}.{hashlib.sha256(data).hexdigest()[:12]}.rejected.reason"
    assert "FITS" in (tmp_path / "quarantine" / name).read_text()


@pytest.mark.parametrize("state", ["absent", "private"])
def test_what_the_copy_has_not_or_will_not_give_comes_from_mast(archive, bucket, fetch, state):
    """A missing key and a refused one are no failures."""
    name = "jw01345001001_02101_00002_nrcb1_cal.fits"
    if state == "private":
        place = f"jwst/public/jw01345/jw01345001001/{name}"
        bucket.put_private(place, archive.path(name).read_bytes())

    (fetched,) = fetch(bucket.url, listed(archive, name)).values()

    assert fetched.path.read_bytes() == archive.path(name).read_bytes()
    assert asked_of_mast(archive) == [name]


def test_an_unfinished_download_goes_on_from_the_copy(archive, bucket, fetch, tmp_path, caplog):
    """The prefix that a former run left is used with the bucket's ETag."""
    caplog.set_level(logging.INFO)
    data, product = archive.path(RATE).read_bytes(), listed(archive, RATE)
    etag = bucket.put(PLACES[RATE], data)
    part = tmp_path / "into" / f"{resume_key(product)}.part"
    part.parent.mkdir()
    part.write_bytes(data[:3000])
    write_record(part, ResumeRecord(version=product.fingerprint, etag=etag, size=len(data)))

    (fetched,) = fetch(bucket.url, product).values()

    assert fetched.path.read_bytes() == data
    assert f"{RATE}: resumed at byte 3000 of {len(data)}" in caplog.text
    assert asked_of_mast(archive) == []


# ---- copies that misbehave -------------------------------------------------------------------


@pytest.fixture(params=["401", "403", "404", "500", "cut", "zeros"])
def bad_copy(request, archive) -> Iterator[FileServer]:
    """A copy that does not give what it is asked for."""
    with serve() as copy:
        copy.put(RATE, bad_reply(request.param, archive.path(RATE).read_bytes()))
        yield copy


def bad_reply(manner: str, data: bytes) -> Reply:
    """A reply with an HTTP status, with half of the data ("cut"), or with zeros."""
    etag = '"of the copy"'
    if manner == "cut":
        return body(data[: len(data) // 2], Content_Length=str(len(data)), ETag=etag)
    return body(bytes(len(data)), int(manner) if manner.isdigit() else 200, ETag=etag)


def test_a_bad_copy_costs_nothing_but_a_request_and_never_sees_the_token(archive, bad_copy, fetch):
    """MAST gives the bytes, to who may have them; the token goes to MAST only."""
    archive.restrict(I2D)
    secret = structs.replace(listed(archive, I2D), exclusive=True)

    found = fetch(bad_copy.url, listed(archive, RATE), secret, token=TOKEN)

    for name in (RATE, I2D):
        assert found[name].path.read_bytes() == archive.path(name).read_bytes()
    assert [each.with_token for each in archive.requests if each.filename == I2D] == [True]
    assert 1 <= len(bad_copy.requests) <= 2  # of RATE alone, once more after a status that may heal
    assert not {"Authorization", "Cookie"} & {
        name for _, headers in bad_copy.requests for name in headers
    }


def test_a_copy_that_is_not_there_is_given_up(archive, fetch, tmp_path, caplog):
    """After some misses in a row all the rest of an order is asked of MAST at once."""
    names = [RATE.replace("00001", f"{n:05d}") for n in range(11, 11 + GIVE_UP + 5)]
    archive.publish(*(toy_fits(tmp_path, name) for name in names))

    with serve() as copy:
        for name in names:
            copy.put(name, body(b"nothing", 404))
        found = fetch(copy.url, *(listed(archive, name) for name in names))

    assert all(isinstance(each, Downloaded) for each in found.values())
    assert GIVE_UP <= len(copy.requests) <= GIVE_UP + 1  # another one may be under way
    assert "check archive.cloud_url in the config" in caplog.text


def test_nothing_of_a_bad_copy_is_left(bad_copy, archive, fetch, tmp_path: Path):
    """Once MAST gave the bytes, no leftover or record stays beside them."""
    (fetched,) = fetch(bad_copy.url, listed(archive, RATE)).values()

    assert list((tmp_path / "into").iterdir()) == [fetched.path]
