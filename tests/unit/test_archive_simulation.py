"""The simulated MAST: unmodified astroquery uses it, and HTTP's rules and faults hold."""

import json
import os
import subprocess
import sys
import time

import pytest
import urllib3

from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.client import KEYWORDS, get, rows
from jwmirror_simulator.mast.faults import (
    html_page,
    reset_after,
    server_error,
    slow,
    truncate_after,
    unavailable,
    wrong_bytes,
)
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.storage.folder import md5_of
from jwmirror_simulator.mast.toy_files import STAMP

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
SECOND = "jw01345001001_02101_00002_nrcb1"
UNCAL = f"{EXPOSURE}_uncal.fits"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
IMAGE3 = f"jw01345-o001_{STAMP}_image3_00001_asn.json"


# ---- unmodified astroquery ------------------------------------------------------------

CLIENT = """
import json, os, sys
from astroquery.mast import Mast, MastMissionsClass, Observations

token = sys.argv[1]
asked = {"obs_collection": "JWST", "proposal_id": "1345"}
found = Observations.query_criteria(instrument_name="NIRCAM*", **asked)
filters = [{"paramName": "program", "values": ["1345"]}]
params = {"columns": "filename,checksum,fileSize", "filters": filters}
keywords = Mast.service_request("Mast.Jwst.Filtered.Nircam", params, pagesize=3)
products = Observations.get_product_list(found)
unique = Observations.get_unique_product_list(found)
uri = "mast:JWST/product/" + sys.argv[2]
status, _, _ = Observations.download_file(uri, local_path="portal.fits")
missions = MastMissionsClass(mission="jwst")
filesets = missions.query_criteria(program=1345)
listed = missions.get_product_list(filesets)
uri = [row["uri"] for row in listed if row["filename"] == sys.argv[2]]
taken, _, _ = missions.download_file(uri[0], local_path="missions.fits")
try:
    Observations.login(token="no such token")
except Exception as err:
    refused = type(err).__name__
Observations.login(token=token)
print("ANSWERS" + json.dumps({
    "groups": sorted(map(str, found["obs_id"])),
    "count": int(Observations.query_criteria_count(**asked)),
    "near": len(Observations.query_region("80.0 -69.5", radius=0.01)),
    "far": len(Observations.query_region("10.0 20.0", radius=0.01)),
    "keywords": {str(r["filename"]): [str(r["checksum"]), int(r["fileSize"])] for r in keywords},
    "products": list(map(str, products["dataURI"])),
    "unique": list(map(str, unique["dataURI"])),
    "filesets": sorted(map(str, filesets["fileSetName"])),
    "listed": sorted(map(str, listed["filename"])),
    "statuses": [status, taken],
    "refused": refused,
    "session": Observations.session_info(verbose=False)["anon"],
}))
"""


@pytest.fixture(scope="module")
def conversation(tmp_path_factory, toys):
    """What unmodified astroquery, in a process of its own, gets from the archive."""
    folder = tmp_path_factory.mktemp("client")
    with Archive(toys / "archive") as archive:
        archive.oddities = Oddities(polls=2)
        (folder / "astroquery.cfg").write_text(f"[mast]\nserver = {archive.url}\n")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CLIENT, TOKEN, UNCAL],
            env=os.environ | {"ASTROPY_CONFIG_DIR": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
        )
        requests = list(archive.requests)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("ANSWERS")[2]), requests, folder, archive


def test_astroquery_lists_observations(conversation):
    """An observation stands for each exposure and each level-3 product, also by count and place."""
    answers, *_ = conversation

    assert answers["groups"] == [MOSAIC, EXPOSURE, SECOND]
    assert (answers["count"], answers["near"], answers["far"]) == (3, 3, 0)


def test_astroquery_reads_all_pages(conversation):
    """Rows come in pages of the size asked for, and none is lost between them."""
    answers, requests, _, archive = conversation

    pages = {served.query["page"] for served in requests if served.service == KEYWORDS}
    fits_files = [name for name in archive.filenames() if name.endswith(".fits")]
    assert pages == {1, 2, 3}
    assert sorted(answers["keywords"]) == fits_files
    assert answers["keywords"][UNCAL] == [md5_of(archive.path(UNCAL)), 8640]


def test_astroquery_polls_while_executing(conversation):
    """Each Portal request is answered EXECUTING twice before it is answered."""
    _, requests, *_ = conversation

    polled = [served for served in requests if served.service == "Mast.Caom.Products"]
    breakers = [served.query["cacheBreaker"] for served in polled]
    assert len(polled) > 0
    assert all(breakers.count(breaker) == 3 for breaker in breakers)


def test_the_same_file_is_listed_under_many_observations(conversation):
    """Associations, pools and level-3 inputs come again and again, as at MAST."""
    answers, *_ = conversation

    pool = f"mast:JWST/product/jw01345_{STAMP}_pool.csv"
    assert answers["products"].count(pool) == 3
    assert sorted(answers["unique"]) == sorted(set(answers["products"]))
    assert len(answers["unique"]) == 13


def test_astroquery_downloads(conversation):
    """Both clients of astroquery get the bytes."""
    answers, _, folder, archive = conversation

    assert answers["statuses"] == ["COMPLETE", "COMPLETE"]
    for copy in ("portal.fits", "missions.fits"):
        assert (folder / copy).read_bytes() == archive.path(UNCAL).read_bytes()


def test_missions_lists_filesets(conversation):
    """The missions search gives file sets without detector, and their files but no associations."""
    answers, *_ = conversation

    filesets = [
        "jw01345-o001_t001_nircam",
        "jw01345001001_02101_00001",
        "jw01345001001_02101_00002",
    ]
    assert answers["filesets"] == filesets
    assert UNCAL in answers["listed"]
    assert IMAGE3 not in answers["listed"]


def test_astroquery_logs_in_with_the_right_token_only(conversation):
    """whoami knows the token, and the record keeps no secret."""
    answers, requests, *_ = conversation

    assert answers["refused"] == "LoginError"
    assert answers["session"] is False
    assert any(served.with_token for served in requests)
    assert TOKEN not in repr(requests)


# ---- HTTP ------------------------------------------------------------


def test_a_range_is_served_as_asked(archive):
    """206 with just those bytes; 416 past the end; all of it where ranges are off."""
    whole = get(archive, UNCAL).data

    part = get(archive, UNCAL, Range="bytes=100-199")
    beyond = get(archive, UNCAL, Range="bytes=8640-")
    archive.oddities = Oddities(ranges=200)
    ignored = get(archive, UNCAL, Range="bytes=100-199")

    assert (part.status, part.data) == (206, whole[100:200])
    assert part.headers["Content-Range"] == "bytes 100-199/8640"
    assert "Accept-Ranges" not in ignored.headers
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */8640")
    assert (ignored.status, ignored.data) == (200, whole)


def test_a_range_of_another_version_is_not_mixed_in(archive):
    """If-Range with the ETag of a former version gives the whole new one."""
    tag = get(archive, UNCAL).headers["ETag"]
    resumed = get(archive, UNCAL, Range="bytes=100-", If_Range=tag)

    archive.reprocess(UNCAL, edits.same_size)
    restarted = get(archive, UNCAL, Range="bytes=100-", If_Range=tag)

    assert (resumed.status, restarted.status) == (206, 200)
    assert restarted.data == archive.path(UNCAL).read_bytes()


@pytest.mark.parametrize("etag", ["strong", "weak"])
def test_an_unchanged_file_is_not_sent_again(archive, etag):
    """304 for the ETag or the date that was sent; 200 when the bytes changed."""
    archive.oddities = Oddities(etag=etag)
    first = get(archive, UNCAL).headers

    by_tag = get(archive, UNCAL, If_None_Match=first["ETag"])
    by_date = get(archive, UNCAL, If_Modified_Since=first["Last-Modified"])
    archive.reprocess(UNCAL, edits.same_size)

    assert (by_tag.status, by_tag.data, by_date.status) == (304, b"", 304)
    assert first["ETag"].startswith("W/") == (etag == "weak")
    assert get(archive, UNCAL, If_None_Match=first["ETag"]).status == 200
    assert get(archive, UNCAL, If_Modified_Since=first["Last-Modified"]).status == 200


def test_validators_can_be_off(archive):
    """Without ETag and Last-Modified there is nothing to be conditional on."""
    tag = get(archive, UNCAL).headers["ETag"]

    archive.oddities = Oddities(etag="none", last_modified=False)
    answer = get(archive, UNCAL, If_None_Match=tag)

    assert answer.status == 200
    assert not {"ETag", "Last-Modified"} & set(answer.headers)


def test_head_tells_the_length_and_sends_nothing(archive):
    """HEAD has the headers of GET; 405 where it is off."""
    head = get(archive, UNCAL, method="HEAD")
    archive.oddities = Oddities(heads=False)

    assert (head.status, head.headers["Content-Length"], head.data) == (200, "8640", b"")
    assert get(archive, UNCAL, method="HEAD").status == 405


@pytest.mark.parametrize("length", ["none", "chunked"])
def test_a_body_may_come_without_its_length(archive, length):
    """Files made on the fly have no Content-Length."""
    archive.oddities = Oddities(length=length)

    answer = get(archive, UNCAL)

    assert "Content-Length" not in answer.headers
    assert answer.data == archive.path(UNCAL).read_bytes()


def test_an_unknown_file_is_404(archive):
    """There is nothing under a name that was never published."""
    assert get(archive, "jw09999001001_02101_00001_nrcb1_uncal.fits").status == 404


# ---- faults ------------------------------------------------------------


def test_a_cut_body_is_noticed_by_its_length_only(archive):
    """With Content-Length a client sees that bytes are missing; without it, it cannot."""
    archive.fault(UNCAL, truncate_after(1000, times=1))
    with pytest.raises(urllib3.exceptions.ProtocolError):
        get(archive, UNCAL)

    archive.fault(UNCAL, truncate_after(1000, length="none"))
    short = get(archive, UNCAL)

    assert (short.status, len(short.data)) == (200, 1000)
    assert [served.sent for served in archive.requests] == [1000, 1000]


def test_a_reset_ends_the_connection(archive):
    """A reset in the middle of the body is an error of the connection."""
    archive.fault(UNCAL, reset_after(1000))

    with pytest.raises(urllib3.exceptions.HTTPError):
        get(archive, UNCAL)


def test_wrong_bytes_have_the_right_length(archive):
    """One bit differs, and only a checksum tells."""
    archive.fault(f"mast:JWST/product/{UNCAL}", wrong_bytes())

    body, truth = get(archive, UNCAL).data, archive.path(UNCAL).read_bytes()

    assert len(body) == len(truth)
    assert sum(a != b for a, b in zip(body, truth, strict=True)) == 1


def test_faults_of_the_server_end_when_used_up(archive):
    """503 with Retry-After as often as said, then 500, then a page of HTML, then the file."""
    for fault in (html_page(times=3), server_error(times=2), unavailable(1, retry_after=7)):
        archive.fault(UNCAL, fault)

    answers = [get(archive, UNCAL) for _ in range(4)]

    assert [answer.status for answer in answers] == [503, 500, 200, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[2].data.startswith(b"<!DOCTYPE html>")
    assert answers[3].data == archive.path(UNCAL).read_bytes()


def test_a_slow_body_takes_its_time(archive):
    """A body comes no faster than the fault lets it."""
    archive.fault(UNCAL, slow(seconds=0.2))
    started = time.monotonic()

    get(archive, UNCAL)

    assert time.monotonic() - started >= 0.2


def test_faults_can_be_put_on_services(archive):
    """A fault on a service spoils its answers and no others; clear_faults ends all."""
    archive.fault(KEYWORDS, server_error())
    with pytest.raises(json.JSONDecodeError):
        rows(archive, program=1345)
    assert rows(archive, "Mast.Caom.Filtered", proposal_id="1345")

    archive.clear_faults()

    assert rows(archive, program=1345)
