"""Every kind of change at the archive, end to end: noticed, told with its reasons, published."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.site import Site
from jwmirror_simulator.mast import TOKEN
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.observatory import Observatory
from tests.conftest import copied_site
from tests.setup.configs import THREE_EXPOSURES

ROOTS = [f"jw01345002001_02101_{number:05d}_nrca1" for number in (1, 2, 3)]
PRODUCT = "jw01345-o002_t002_nircam_clear-f200w-sub160"
IMAGE3 = "jw01345-o002_20260101t000000_image3_00001_asn.json"
IMAGE2 = "jw01345-o002_20260101t000000_image2_00003_asn.json"
UNCALS, RATES, CALS = (
    [f"{root}_{suffix}.fits" for root in ROOTS] for suffix in ("uncal", "rate", "cal")
)
I2D, SEGM, CAT = f"{PRODUCT}_i2d.fits", f"{PRODUCT}_segm.fits", f"{PRODUCT}_cat.ecsv"
RENAMED = I2D.replace("_t002_", "_t021_")
STAMP = "20260401t000000"


@pytest.fixture(scope="module")
def first_run(tmp_path_factory, built_observatory) -> Path:
    """A site after its first run, on observation 2 without recipes; copy it before going on."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(built_observatory, folder / "observatory")
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        site.configure(programs=THREE_EXPOSURES, recipes=None, settle={"accept": [1345]})
        site.snakemake()
    return folder


@pytest.fixture
def mirrored_two(tmp_path, first_run) -> Iterator[Site]:
    """A site that has mirrored observation 2, and goes on with the same config."""
    with copied_site(first_run, tmp_path / "site") as site:
        site.configure(programs=THREE_EXPOSURES, recipes=None, settle={"accept": [1345]})
        yield site


@pytest.fixture
def mirror(fresh_site):
    """A site that only mirrors observation 2; nothing of it waits to settle, no recipe."""
    fresh_site.configure(programs=THREE_EXPOSURES, recipes=None, settle={"accept": [1345]})
    return fresh_site


def told(site) -> dict[str, tuple[str, set[str]]]:
    """What the last run's status tells of each file: the kind of change, and what differs."""
    changes = site.status()["changes"]
    return {
        each["file"]: (each["kind"], {_subject(reason) for reason in each["reasons"]})
        for each in changes
    }


def _subject(reason: str) -> str:
    """What differs, by a reason in words."""
    return reason.partition(":")[0].removesuffix(" changed")


def states(site) -> dict[str, str]:
    """Whether each upstream file of the current generation is held or vanished."""
    return {entry.filename: entry.state for entry in site.entries().values()}


@pytest.mark.slow
def test_a_first_poll_is_a_start_and_an_unchanged_one_says_nothing(mirrored_two):
    """The backlog is counted, not listed as changes; the next poll finds none."""
    mirror = mirrored_two
    first = mirror.status()
    mirror.snakemake()
    second = mirror.status()

    assert first["changes"] == []
    assert first["first_polls"] == [{"program": 1345, "products": len(states(mirror))}]
    assert first["generation"]["cause"] == (
        f"first poll of program 1345: {len(states(mirror))} files"
    )
    assert (second["changes"], second["first_polls"]) == ([], [])


@pytest.mark.slow
def test_every_kind_of_change_is_told_with_its_reasons(mirror):
    """One poll after the archive changed in all ways says of each file what happened and why."""
    archive = mirror.observatory.archive
    archive.withdraw(CALS[2])
    archive.restrict(UNCALS[2])
    mirror.snakemake()
    withheld_first = told(mirror)

    mirror.observatory.reprocess(UNCALS[0], same_size=True)
    mirror.observatory.reprocess(UNCALS[1], same_size=False)
    for name, keyword in zip(RATES, ("cal_ver", "crds_ctx", "sdp_ver"), strict=True):
        archive.reprocess(name, archive.path(name), **{keyword: f"9_{keyword}"})
    archive.reprocess(CALS[0], archive.path(CALS[0]), date="2026-05-01T00:00:00.000")
    archive.reprocess(CAT, edits.same_size)  # with its sibling, whose row shows it
    archive.reprocess(SEGM, archive.path(SEGM), date="2026-05-01T00:00:00.000")
    restamped = archive.restamp(IMAGE3, STAMP)
    archive.rename(I2D, RENAMED)
    archive.withdraw(IMAGE2)
    archive.restore(CALS[2])
    archive.release(UNCALS[2])
    archive.mark_stale(CALS[1])
    mirror.snakemake()

    assert withheld_first == {UNCALS[2]: ("withheld", {"release"})}
    assert told(mirror) == {
        UNCALS[0]: ("reprocessed", {"checksum", "SDP_VER", "DATE"}),
        UNCALS[1]: ("reprocessed", {"checksum", "size", "SDP_VER", "DATE"}),
        RATES[0]: ("reprocessed", {"checksum", "CAL_VER"}),
        RATES[1]: ("reprocessed", {"checksum", "CRDS_CTX"}),
        RATES[2]: ("reprocessed", {"checksum", "SDP_VER"}),
        CALS[0]: ("reprocessed", {"checksum", "DATE"}),
        CALS[1]: ("stale", {"reprocessing"}),
        CALS[2]: ("new", set()),
        UNCALS[2]: ("new", set()),
        CAT: ("reprocessed", {"DATE of its siblings", "validator"}),
        SEGM: ("reprocessed", {"checksum", "DATE"}),
        restamped: ("restamped", {"name"}),
        RENAMED: ("renamed", {"name"}),
        IMAGE2: ("vanished", set()),
    }
    assert states(mirror)[IMAGE2] == "vanished"
    assert not {IMAGE3, I2D} & states(mirror).keys()


@pytest.mark.slow
def test_what_comes_back_returned_and_what_becomes_public_is_released(mirror):
    """Withdrawn and restored; fetched with a token and released; held and now restricted."""
    archive = mirror.observatory.archive
    archive.restrict(UNCALS[0])
    mirror.snakemake(environment={"MAST_API_TOKEN": TOKEN})
    archive.withdraw(SEGM)
    mirror.snakemake()
    gone = told(mirror)
    archive.restore(SEGM)
    archive.release(UNCALS[0])
    archive.restrict(UNCALS[1])
    mirror.snakemake()

    assert gone == {SEGM: ("vanished", set())}
    assert told(mirror) == {
        SEGM: ("returned", set()),
        UNCALS[0]: ("released", {"access"}),
        UNCALS[1]: ("withheld", {"access", "release"}),
    }
    assert set(states(mirror).values()) == {"held"}
    assert mirror.tally().fetched == frozenset()


@pytest.mark.slow
def test_a_listing_that_shrinks_is_not_believed_until_confirmed(mirrored_two):
    """More vanished than the limit: everything stays and the run asks; confirmed, it is marked."""
    mirror = mirrored_two
    before = mirror.entries()
    archive = mirror.observatory.archive
    archive.withdraw(*(name for name in archive.filenames() if name.startswith("jw01345")))

    said = mirror.snakemake(expect=1)
    doubted, failures = mirror.entries(), mirror.status()["failures"]
    mirror.snakemake("--config", "accept_vanished=1345")

    assert doubted == before
    assert "accept_vanished=1345" in said and "vanish_limit" in failures[0]["message"]
    assert set(states(mirror).values()) == {"vanished"}


@pytest.mark.slow
def test_half_an_update_is_kept_and_waits_until_it_is_whole(mirrored_two):
    """New bytes of some members are fetched, not shown; when all are there, all are shown."""
    mirror = mirrored_two
    mirror.configure(programs=THREE_EXPOSURES, recipes=None)
    archive = mirror.observatory.archive
    before = mirror.entries()

    archive.reprocess(CALS[0], edits.same_size, cal_ver="1.21.0")
    mirror.snakemake()
    half, fetched = mirror.status(), mirror.tally().fetched
    while_half = mirror.entries()
    for name in (*RATES, *CALS[1:]):
        archive.reprocess(name, archive.path(name), cal_ver="1.21.0")
    mirror.snakemake()

    (cut_off, whole) = sorted(half["settling"], key=lambda each: len(each["product"]))
    assert (cut_off["product"], whole["product"]) == (ROOTS[0], PRODUCT)
    assert "CAL_VER 1.20.2 and 1.21.0" in whole["why"] and whole["since"].startswith("20")
    assert fetched == {CALS[0]} and while_half == before
    fetched = mirror.tally().fetched
    assert {name for name in fetched if name.endswith(".fits")} == {*RATES, *CALS[1:]}
    assert mirror.status()["settling"] == []
    changed = {path for path, entry in mirror.entries().items() if entry != before[path]}
    images = {path.rpartition("/")[2] for path in changed if path.endswith(".fits")}
    assert images == {*RATES, *CALS}


@pytest.mark.slow
def test_recalibration_waits_for_half_an_update_unless_it_is_accepted(mirror):
    """A first run finds an observation half updated: shown, not calibrated, until accepted."""
    archive = mirror.observatory.archive
    archive.reprocess(CALS[0], archive.path(CALS[0]), crds_ctx="jwst_9999.pmap")
    mirror.configure(programs=THREE_EXPOSURES)

    mirror.snakemake()
    waits, computed = mirror.status()["waits"], mirror.tally().computed
    mirror.configure(programs=THREE_EXPOSURES, settle={"accept": ["jw01345-o002_*", f"{ROOTS[0]}"]})
    mirror.snakemake()

    assert {each["product"] for each in waits} == {*ROOTS, PRODUCT}
    assert all("CRDS_CTX" in each["why"] and "settle.accept" in each["why"] for each in waits)
    assert computed == {}
    assert mirror.tally().computed == {"detector1": 3, "image2": 3, "image3": 1}
    assert mirror.status()["waits"] == []


@pytest.mark.slow
def test_an_association_with_members_that_do_not_exist_is_told(mirror):
    """Members that MAST does not list are named, with the association that names them."""
    mirror.observatory.archive.withdraw(CALS[1])

    mirror.snakemake()

    assert mirror.status()["incomplete"] == [{"association": IMAGE3, "absent": [CALS[1]]}]


@pytest.mark.slow
def test_events_limit_one_poll_to_an_observation_and_the_next_is_of_all(site, tmp_path):
    """After events only their observation is asked for; what changed elsewhere is told later."""
    event = {"mission": "JWST", "filename": RATES[0], "program": 1345, "event_type": "Reprocessed"}
    (tmp_path / "events.json").write_text(json.dumps([event]))
    site.configure(recipes=None, settle={"accept": [1345]})
    archive = site.observatory.archive
    elsewhere = next(name for name in archive.filenames() if name.startswith("jw01345001001_"))
    for name in (RATES[0], elsewhere):
        archive.reprocess(name, edits.same_size)
    restamped = archive.restamp(IMAGE3, STAMP)
    site.jwmirror("ingest-events", str(tmp_path / "events.json"))
    before = len(archive.requests)

    site.snakemake()
    asked, limited = archive.requests[before:], site.status()
    site.snakemake()

    names = {row["obsid"]: row["obs_id"] for row in archive.snapshot.observations}
    obsids = [
        int(number)
        for each in asked
        if each.service == "Mast.Caom.Products"
        for number in each.query["params"]["obsid"].split(",")
    ]
    assert obsids and all(
        names[obsid].startswith(("jw01345002", "jw01345-o002")) for obsid in obsids
    )
    assert {each.filename for each in asked if each.filename} == {
        each.filename for each in asked if each.filename.startswith(("jw01345002", "jw01345-o002"))
    }
    assert limited["limited_to"] == [{"program": 1345, "observations": ["o002"], "instruments": []}]
    assert {each["file"]: each["kind"] for each in limited["changes"]} == {
        RATES[0]: "reprocessed",
        restamped: "restamped",
    }
    assert told(site) == {elsewhere: ("reprocessed", {"checksum", "SDP_VER", "DATE"})}
    assert site.status()["limited_to"] == []
    assert set(states(site).values()) == {"held"}
