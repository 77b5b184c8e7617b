"""Edits of the simulated MAST show in every table, in every process, and on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3
from astropy.io import fits

from jwmirror_simulator.mast import TOKEN, Archive
from jwmirror_simulator.mast.client import get, keyword_row, products, rows
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.storage.folder import md5_of
from jwmirror_simulator.mast.toy_files import STAMP

ROOT = Path(__file__).parents[2]
EXPOSURE = "jw01345001001_02101_00001_nrcb1"
SECOND = "jw01345001001_02101_00002_nrcb1"
UNCAL = f"{EXPOSURE}_uncal.fits"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
IMAGE3 = f"jw01345-o001_{STAMP}_image3_00001_asn.json"


def test_an_exclusive_file_needs_the_token(archive):
    """401 without it, 200 with it in either spelling, and all tables say that it is exclusive."""
    archive.restrict(UNCAL, "2099-01-01T00:00:00.000")

    row, listed = keyword_row(archive, UNCAL), products(archive, EXPOSURE)

    assert get(archive, UNCAL).status == 401
    assert get(archive, UNCAL, Authorization="token wrong").status == 401
    assert get(archive, UNCAL, Authorization=f"token {TOKEN}").status == 200
    assert get(archive, UNCAL, Cookie=f"mast_token={TOKEN}").status == 200
    assert (row["isRestricted"], row["publicReleaseDate"]) == (True, "2099-01-01T00:00:00.000")
    rights = [listed[name]["dataRights"] for name in (UNCAL, IMAGE3)]
    assert rights == ["EXCLUSIVE_ACCESS", "PUBLIC"]


def test_a_released_file_is_public_at_once(archive):
    """After its release anyone may have it, and the row carries the new date."""
    archive.restrict(UNCAL)

    archive.release(UNCAL)

    assert get(archive, UNCAL).status == 200
    assert not keyword_row(archive, UNCAL)["isRestricted"]


def test_a_reprocessed_file_keeps_its_name_and_size(archive):
    """New pixels in as many bytes: checksum, date and SDP_VER tell, in rows as in the file."""
    before, pixels = keyword_row(archive, UNCAL), fits.getdata(archive.path(UNCAL), "SCI")

    archive.reprocess(UNCAL, edits.same_size)
    after, path = keyword_row(archive, UNCAL), archive.path(UNCAL)

    changed = {name for name in before if before[name] != after[name]}
    told = {"checksum", "date", "date_mjd", "sdp_ver"}
    ingested = {"ingestStartDate", "ingestCompletionDate"}
    assert changed == told | ingested | {f"{name}_mjd" for name in ingested}
    assert after["checksum"] == md5_of(path)
    assert after["sdp_ver"] == fits.getval(path, "SDP_VER") > before["sdp_ver"]
    assert after["date"] > before["date"]
    assert (fits.getdata(path, "SCI") != pixels).mean() > 0.5


def test_a_reprocessed_file_may_grow(archive):
    """All tables have the new size."""
    archive.reprocess(UNCAL, edits.larger)

    size = archive.path(UNCAL).stat().st_size
    listed = products(archive, EXPOSURE)
    assert size > 8640
    assert keyword_row(archive, UNCAL)["fileSize"] == listed[UNCAL]["size"] == size
    assert len(get(archive, UNCAL).data) == size


def test_reprocessing_changes_pedigree_and_obsid(archive):
    """Calibration version and context show in every table, and obsid is a new one."""
    rate = f"{EXPOSURE}_rate.fits"
    before = products(archive, EXPOSURE)[rate]["obsID"]

    archive.reprocess(rate, edits.same_size, cal_ver="3.0.0", crds_ctx="jwst_1500.pmap")
    listed = products(archive, EXPOSURE)
    row = keyword_row(archive, rate)

    assert (row["cal_ver"], row["crds_ctx"]) == ("3.0.0", "jwst_1500.pmap")
    assert listed[rate]["prvversion"] == "3.0.0"
    assert listed[rate]["obsID"] != before


def test_a_file_can_go_back_to_former_bytes(archive, tmp_path):
    """A file given as such is taken bit by bit, so that A -> B -> A gives A's checksum."""
    former = tmp_path / "former.fits"
    former.write_bytes(archive.path(UNCAL).read_bytes())
    archive.reprocess(UNCAL, edits.same_size)

    archive.reprocess(UNCAL, former)

    assert archive.path(UNCAL).read_bytes() == former.read_bytes()


@pytest.mark.parametrize("edit", [edits.same_size, edits.larger])
def test_a_catalogue_is_reprocessed_without_a_checksum(archive, edit):
    """A catalogue's bytes change, and no keyword table says so."""
    name = f"{MOSAIC}_cat.ecsv"
    before = get(archive, name)

    archive.reprocess(name, edit)
    after = get(archive, name)

    assert before.data != after.data
    assert (len(before.data) == len(after.data)) == (edit is edits.same_size)
    assert before.headers["ETag"] != after.headers["ETag"]
    assert rows(archive, filename=name) == []


def test_a_restamped_association_has_a_new_name(archive):
    """The old name is gone; content and listings follow, with other members if asked for."""
    member = f"{EXPOSURE}_cal.fits"

    renamed = archive.restamp(IMAGE3, "20260401t000000", counter="00007", members=[member])
    table = json.loads(get(archive, renamed).data)
    listed = products(archive, MOSAIC)

    assert renamed == "jw01345-o001_20260401t000000_image3_00007_asn.json"
    assert get(archive, IMAGE3).status == 404
    assert renamed in listed and IMAGE3 not in listed
    assert table["version_id"] == "20260401t000000"
    assert [each["expname"] for each in table["products"][0]["members"]] == [member]
    assert f"{EXPOSURE.replace('00001', '00002')}_cal.fits" not in listed


def test_a_withdrawn_file_vanishes_and_can_return(archive):
    """It is in no table and cannot be had, until it is restored."""
    archive.withdraw(UNCAL)
    gone = get(archive, UNCAL).status, rows(archive, filename=UNCAL)

    archive.restore(UNCAL)

    assert gone == (404, [])
    assert get(archive, UNCAL).status == 200


def test_edits_of_another_process_are_seen(archive):
    """An archive opened on the same folder edits the one that is being served."""
    other = Archive(archive.folder.path)

    other.reprocess(UNCAL, edits.same_size)
    other.mark_stale(f"{EXPOSURE}_rate.fits")

    assert get(archive, UNCAL).data == other.path(UNCAL).read_bytes()
    assert keyword_row(archive, f"{EXPOSURE}_rate.fits")["isStale"]


def test_an_edit_of_an_unknown_file_says_so(archive):
    """Nothing is edited by mistake."""
    with pytest.raises(KeyError, match="holds no nothing"):
        archive.withdraw("nothing.fits")


# ---- the command line ------------------------------------------------------------


def test_the_command_line_serves_and_edits(tmp_path, toys):
    """serving.json says where; switches and edits show at once; SIGTERM ends it cleanly."""
    root = tmp_path / "observatory"
    (root / "crds" / "mappings" / "jwst").mkdir(parents=True)
    (root / "crds" / "mappings" / "jwst" / "jwst_0001.pmap").touch()
    (root / "program.json").write_text('{"number": 1345, "observations": []}')
    archive = Archive(root / "archive")
    archive.publish(toys / UNCAL)
    command = [sys.executable, "-m", "jwmirror_simulator"]
    server = subprocess.Popen(
        [*command, "serve", "--root", root, "--oddities", "etag=weak"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = [server.stdout.readline().split() for _ in range(2)]
    url = json.loads((root / "serving.json").read_text())["archive"]

    edited = [*command, "reprocess", "--root", root, "--same-size", UNCAL]
    subprocess.run(edited, cwd=ROOT, check=True, capture_output=True)
    mistaken = subprocess.run(
        [*command, "withdraw", "--root", root, "nope"], cwd=ROOT, capture_output=True, text=True
    )
    answer = urllib3.request("GET", f"{url}/api/v0.1/Download/file?uri=mast:JWST/product/{UNCAL}")
    server.terminate()

    assert said[0] == ["archive", url]
    assert answer.headers["ETag"].startswith("W/")
    assert answer.data == archive.path(UNCAL).read_bytes() != (toys / UNCAL).read_bytes()
    assert (mistaken.returncode, mistaken.stderr) == (2, "observatory: the archive holds no nope\n")
    assert server.wait(10) == 0
    assert not (root / "serving.json").exists()
