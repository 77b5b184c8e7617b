"""A mirror that version 0.1 made is read by the present code, to the last record, and goes on."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jwmirror.archive.poll_records import previous_listings
from jwmirror.core.model import (
    Entry,
    Orders,
    Plan,
    Poll,
    Receipt,
    References,
    SettleResult,
    Version,
    canonical,
    parse,
    write,
)
from jwmirror.core.model.association import Association
from jwmirror.core.model.maintenance import Pin
from jwmirror.core.model.plan import PlansAhead, ProvenanceRecord, Published
from jwmirror.core.model.stored import Generation
from jwmirror.pipeline.derivation import key_of
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.retention import Tombstone
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import (
    last_run,
    newest_first,
    number_run,
    previous_settling,
    read_run,
)
from tests.setup.command_line import answer, run
from tests.setup.old_mirror import unpack

EXPOSURE = "jw01345001001_02101_00002_nrcb1"  # of observation 1; reprocessed before generation 3
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub64p"
UPSTREAM = "upstream/jw01345/o001/"
OURS = "recalibrated/deep/jw01345/o001/"
RENAMED = "jw01345-o002_20260101t000000_image2_00001_asn.json"  # before generation 2
SECOND, THIRD = "20261129T170958.693256Z-16416", "20261129T171044.646279Z-19482"  # runs
DETECTOR1 = "ac4eabcbf2e940783a590944e0e83988fccb749e5bf8389da5a01810d7eebf18"
IMAGE2 = "22ce1546aa5479924c0dd61f272d65a691340463f920145d3d57d5f50fc144e4"
IMAGE3 = "3293a7a5fce5ccb5dc262be1248cd16c4084d728bf203118d1b5040335fd6fee"
UNCAL = "3031180bf36de4717503c432a6cbb7c913df704329213b96c6858ed1813b8d6a"
RATE = "a91aaaa7405481c756ffa1d39cc3cc61e0818303dd335192c712175aa74df719"
FIX = "f3b5e999d4f2d1029f1770ec3609c0d55cc050b15a79842e7c500011af5d600b"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The mirror of version 0.1, for the test to change."""
    return unpack(tmp_path) / "mirror"


def run_folder(mirror: Path, run: str) -> Path:
    """Where a run left its records."""
    return mirror / "receipts" / "runs" / run


def test_generations_are_listed(mirror):
    """All three, with names, parents and counts; of the pruned one what was kept."""
    log = answer("log", "--mirror", mirror)
    kept = answer("log", RENAMED, "--mirror", mirror)["kept"]

    assert (log["current"], log["line"], log["pruned"]) == (3, [3, 2, 1], [1])
    assert log["names"] == {"2": ["paper"]}
    assert [each["parent"] for each in log["generations"]] == [2, 1, None]
    assert [each["counts"]["changed"] for each in log["generations"]] == [10, 9, 0]
    assert log["generations"][0]["facts"] == {"context": "jwst_0001.pmap", "run": THIRD}
    assert log["generations"][0]["cause"] == (
        "1 reprocessed, 1 restamped, 1 vanished; 3 results computed"
    )
    assert [each["path"] for each in kept["1"]] == [f"upstream/jw01345/o002/{RENAMED}"]


def test_rows_are_read(mirror):
    """Paths, sums, sizes, keys, and what MAST said of a file, in both manifests."""
    old, new = (Generations(mirror).read(number).entries() for number in (2, 3))
    rows = {entry.path: entry for entry in new}
    uncal, rate = rows[f"{UPSTREAM}{EXPOSURE}_uncal.fits"], rows[f"{OURS}{EXPOSURE}_rate.fits"]

    assert (len(old), len(new), sum(entry.size for entry in new)) == (44, 44, 2979835)
    assert (uncal.sha256, uncal.size, uncal.product.sdp_ver) == (UNCAL, 34560, "2026_1a")
    assert uncal.product.date == "2026-02-19T02:10:00.150" and not uncal.product.exclusive
    assert (rate.sha256, rate.size, rate.key) == (RATE, 74880, DETECTOR1)
    assert (rate.origin, rate.result) == ("deep", f"detector1/{EXPOSURE}")
    assert [entry.filename for entry in new if entry.state == "vanished"] == [f"{MOSAIC}_segm.fits"]
    assert sum(bool(entry.product and entry.product.exclusive) for entry in new) == 8


def test_the_mirror_is_whole(mirror):
    """Every object, record and link is right; a repair closes records of exclusive results."""
    run("verify", "--full", "--repair", "--mirror", mirror)

    verified = answer("verify", "--full", "--mirror", mirror)

    assert [verified[name] for name in ("generations", "objects", "bytes")] == [2, 56, 3882315]
    assert verified["problems"] == []


def test_the_current_view_shows_every_file(mirror):
    """Each row is a file below current/, with the bytes that the row names."""
    rows = Generations(mirror).entries()

    shown = [hashlib.sha256((mirror / "current" / row.path).read_bytes()) for row in rows]

    assert [each.hexdigest() for each in shown] == rows.column("sha256")


def test_keys_of_results_are_still_the_same(mirror):
    """The key computed from each stored derivation is the one that it was stored under."""
    keys = [path.stem for path in (mirror / "provenance").glob("*.json")]

    records = {key: Provenance(mirror).recall(key) for key in keys}

    assert len(keys) == 12 and {DETECTOR1, IMAGE2, IMAGE3} < set(keys)
    assert {key: key_of(record.derivation) for key, record in records.items()} == {
        key: key for key in keys
    }


def test_provenance_is_read(mirror):
    """How a result was made: inputs, parameters, references, own functions, versions."""
    explained = answer("explain", f"{OURS}{EXPOSURE}_cal.fits", "--mirror", mirror)
    (told,) = explained["files"]
    made = told["record"]["derivation"]

    assert (told["record"]["key"], told["entry"]["key"]) == (IMAGE2, IMAGE2)
    assert [each["name"] for each in made["inputs"]] == [f"{EXPOSURE}_rate.fits"]
    assert made["parameters"]["between"] == ["stripes.fix"]
    assert made["hooks"] == [["stripes.fix", FIX]]
    assert made["references"]["flat"][0] == "jwst_nircam_flat_0001.fits"
    assert made["engine"] == {"jwst": "3.0.0", "stcal": "1.20.0", "stdatamodels": "6.0.0"}
    (former,) = told["former"]
    assert former["reasons"][0]["what"] == f"image2: science content of {EXPOSURE}_rate.fits"


def test_the_last_run_is_told(mirror):
    """What it found changed, and that nothing is left undone."""
    status = answer("status", "--mirror", mirror)

    assert (status["run"], status["context"]) == (THIRD, "jwst_0001.pmap")
    assert [(each["kind"], each["file"]) for each in status["changes"]] == [
        ("restamped", "jw01345-o001_20260401t000000_image3_00001_asn.json"),
        ("vanished", f"{MOSAIC}_segm.fits"),
        ("reprocessed", f"{EXPOSURE}_uncal.fits"),
    ]
    assert sum(each["files"] for each in status["held"]) == 44
    assert status["out_of_date"] == status["waits"] == status["failures"] == []


def test_a_diff_names_what_changed_and_why(mirror):
    """What MAST changed between the two generations, and what was made anew for it."""
    files = answer("diff", 2, 3, "--mirror", mirror)["files"]
    named = {(each["kind"], (each["new"] or each["old"])["path"]): each for each in files}
    changed = {path for kind, path in named if kind == "changed"}

    assert changed == {f"{UPSTREAM}{EXPOSURE}_uncal.fits"} | {
        *(f"{OURS}{EXPOSURE}_{kind}.fits" for kind in ("rate", "rateints", "cal", "i2d")),
        *(f"{OURS}{MOSAIC}_{name}" for name in ("i2d.fits", "segm.fits", "cat.ecsv")),
        *(f"{OURS}jw01345001001_02101_0000{n}_nrcb1_o001_crf.fits" for n in (1, 2)),
    }
    stamped = f"{UPSTREAM}jw01345-o001_20260%s01t000000_image3_00001_asn.json"
    assert ("gone", stamped % 1) in named and ("new", stamped % 4) in named
    assert ("marked", f"{UPSTREAM}{MOSAIC}_segm.fits") in named and len(named) == 13
    reason = named["changed", f"{OURS}{EXPOSURE}_rate.fits"]["reasons"][0]
    assert reason["what"] == f"detector1: science content of {EXPOSURE}_uncal.fits"


def test_records_of_runs_are_read(mirror):
    """What each run found, ordered, planned, fetched, computed and published."""
    second, third = (read_run(run_folder(mirror, run)) for run in (SECOND, THIRD))

    assert (second.published.generation, third.published.generation) == (2, 3)
    assert [len(plan.done) for plan in third.plans] == [4, 1, 1]
    assert [chain.product for chain in third.chains] == [EXPOSURE, MOSAIC]
    assert len(third.poll.listings[0].products) == 22
    assert {
        each.product.filename for receipt in third.fetch_receipts for each in receipt.versions
    } == {
        "jw01345-o001_20260401t000000_image3_00001_asn.json",
        f"{EXPOSURE}_uncal.fits",
    }
    assert third.computed_keys == (DETECTOR1, IMAGE2, IMAGE3)
    assert third.references.files["jwst_nircam_flat_0001.fits"]


def test_its_runs_are_older_than_the_next_one(mirror):
    """They have no number, and count by their names; the clock of the next run may be behind."""
    next_run = run_folder(mirror, "20250101T120000.000000Z-1")
    number_run(next_run)
    write(next_run / "changes.json", Poll(listings=(), changes=()))

    runs = newest_first(next_run.parent)

    assert [run.name for run in runs] == [next_run.name, THIRD, SECOND]
    assert last_run(mirror).id == next_run.name
    assert previous_settling(next_run) == read_run(run_folder(mirror, THIRD)).settling
    assert len(previous_listings(next_run, [1345])[1345].products) == 22


@pytest.mark.parametrize(
    ("pattern", "kind", "count"),
    [
        ("generations/*/generation.json", Generation, 3),
        ("generations/*/pruned.json", Tombstone, 1),
        ("pins/*.json", Pin, 1),
        ("provenance/*.json", ProvenanceRecord, 12),
        ("receipts/fetch/*.json", Receipt, 5),
        ("receipts/inputs/*.json", Version, 1),
        ("receipts/associations/*.json", tuple[Association, ...], 1),
        ("receipts/runs/*/changes.json", Poll, 2),
        ("receipts/runs/*/orders.json", Orders, 2),
        ("receipts/runs/*/settling.json", SettleResult, 2),
        ("receipts/runs/*/references.json", References, 2),
        ("receipts/runs/*/plan-*.json", Plan, 6),
        ("receipts/runs/*/ahead-*.json", PlansAhead, 6),
        ("receipts/runs/*/*/*.json", Receipt, 3),
        ("receipts/runs/*/published.json", Published, 2),
    ],
)
def test_no_record_loses_anything(mirror, pattern, kind, count):
    """Each record, read and written again, says all that version 0.1 wrote; maybe more."""
    texts = [path.read_text() for path in mirror.glob(pattern)]

    again = [canonical(parse(text, kind)) for text in texts]

    assert len(texts) == count
    assert all(
        says(json.loads(new), json.loads(old)) for new, old in zip(again, texts, strict=True)
    )


def says(new: Any, old: Any) -> bool:
    """Whether JSON values are equal, but that the new one may have more keys.

    What is empty may be of another kind: doubts were an object, and are a list.
    """
    if isinstance(old, dict) and old:
        return isinstance(new, dict) and all(k in new and says(new[k], old[k]) for k in old)
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(says, new, old))
    return new == old or (new, old) == ([], {})


def with_new_bytes(mirror: Path, path: str) -> list[Entry]:
    """The rows of the current generation, one of them with other bytes."""
    file = Objects(mirror).incoming / "new"
    file.write_bytes(b"new")
    sha256 = Objects(mirror).add(file)
    rows = Generations(mirror).entries()
    return [replace(row, sha256=sha256, size=3) if row.path == path else row for row in rows]


def test_the_next_generation_follows_it(mirror):
    """What is published next has the last generation of version 0.1 as its parent."""
    path = f"{UPSTREAM}{EXPOSURE}_uncal.fits"

    fourth = Generations(mirror).publish(with_new_bytes(mirror, path), "goes on", {})

    record = (mirror / "generations/000003/generation.json").read_bytes()
    assert (fourth.number, fourth.parent) == (4, 3)
    assert fourth.parent_sha256 == hashlib.sha256(record).hexdigest()
    assert answer("log", "--mirror", mirror)["line"] == [4, 3, 2, 1]
    (changed,) = answer("diff", 3, 4, "--mirror", mirror)["files"]
    assert (changed["kind"], changed["new"]["path"]) == ("changed", path)
    assert answer("verify", "--full", "--mirror", mirror)["problems"] == []


def test_an_equal_state_is_no_new_generation(mirror):
    """The rows of version 0.1, read and given again, are the current state."""
    rows = list(Generations(mirror).entries())

    assert Generations(mirror).publish(rows, "the same", {}) is None


def test_exclusive_files_stay_closed(mirror):
    """What is under exclusive access, and what was made of it, is its owner's in the next, too."""
    rows = with_new_bytes(mirror, f"{UPSTREAM}{EXPOSURE}_uncal.fits")

    Generations(mirror).publish(rows, "goes on", {})

    modes = {row.path: Objects(mirror).path(row.sha256).stat().st_mode & 0o777 for row in rows}
    closed = {path for path, mode in modes.items() if mode == 0o400}
    assert closed == {path for path in modes if "/o002/" in path} and len(closed) == 18


def test_one_can_go_back_in_it(mirror):
    """A rollback to the generation that has a name shows its files."""
    run("verify", "--repair", "--mirror", mirror)  # it closes records that version 0.1 left open

    answer("rollback", "paper", "--mirror", mirror)

    shown = mirror / "current" / f"{UPSTREAM}{EXPOSURE}_uncal.fits"
    assert answer("log", "--mirror", mirror)["current"] == 2
    assert hashlib.sha256(shown.read_bytes()).hexdigest() != UNCAL
    assert answer("verify", "--full", "--mirror", mirror)["problems"] == []
