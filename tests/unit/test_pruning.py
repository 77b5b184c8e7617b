"""Pruning: what no policy keeps goes, and what anything needs stays, wherever it is stopped."""

import hashlib
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jwmirror.astrometry.slices import SliceStore
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Change, Entry, Orders, Poll, Product, Receipt, Version, write
from jwmirror.core.model.product import NEW
from jwmirror.core.model.sky.slices import CatalogueCone
from jwmirror.core.model.stored import Generation
from jwmirror.store.access import report_path
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import plan_pruning, prune
from jwmirror.store.maintenance.repair import repair
from jwmirror.store.maintenance.retention import (
    RetentionPolicy,
    is_younger,
    read_tombstone,
    retained_generations,
)
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, remove_pin
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import number_run
from tests.setup.mirrors import store_row
from tests.unit.test_dying_publications import DIED, die_at, sh
from tests.unit.test_generations import seen

LAST = RetentionPolicy(keep_last=1)
CONE = CatalogueCone(catalogue="GAIADR3", ra=80.0, dec=-69.5, radius=0.08, epoch=2025.885)


def held(mirror: Path, name: str, data: bytes, uri: str | None = None) -> Entry:
    """An upstream row of a product."""
    product = Product(
        uri=uri or f"mast:{name}", filename=name, program=1345, observation="o001", suffix="uncal"
    )
    return store_row(mirror, name, data, product=product)


@pytest.fixture(autouse=True)
def three_generations(mirror: Path) -> None:
    """Three versions of a, one of b; c is in the first two generations only."""
    b, c = held(mirror, "b", b"b"), held(mirror, "c", b"c")
    for rows in (
        [held(mirror, "a", b"a1"), b, c],
        [held(mirror, "a", b"a22"), b, c],
        [held(mirror, "a", b"a333"), b],
    ):
        Generations(mirror).publish(rows, "run", {})


def contents(mirror: Path) -> set[bytes]:
    """The bytes of all objects."""
    return {path.read_bytes() for path in (mirror / "objects").glob("??/*")}


def test_old_versions_go_and_newest_ones_stay(mirror):
    """Only the old versions of a are removed; c is in no generation any more, and stays."""
    done = prune(mirror, LAST)

    assert done.generations == (1, 2)
    assert (len(done.objects), done.bytes) == (2, 5)
    assert contents(mirror) == {b"a333", b"b", b"c"}
    assert [kept.path for kept in done.newest["2"]] == ["upstream/jw01345/o001/c"]
    assert read_tombstone(mirror / "generations/000002").kept == done.newest["2"]
    assert verify(mirror, full=True).problems == ()


def test_what_outlives_its_generation_stays_for_good(mirror):
    """Later prunes keep it, too, until a newer version of its product is held."""
    prune(mirror, LAST)
    Generations(mirror).publish([held(mirror, "a", b"a4444")], "run", {})
    prune(mirror, LAST)
    assert contents(mirror) == {b"a4444", b"b", b"c"}

    Generations(mirror).publish([held(mirror, "c", b"c2")], "c came back", {})
    prune(mirror, LAST)

    assert contents(mirror) == {b"a4444", b"b", b"c2"}
    assert verify(mirror, full=True).problems == ()


def test_a_plan_changes_nothing(mirror):
    """The plan is what is then done, and leaves everything as it is."""
    plan = plan_pruning(mirror, LAST)

    assert contents(mirror) == {b"a1", b"a22", b"a333", b"b", b"c"}
    assert prune(mirror, LAST) == replace(plan)


def test_pinned_generations_stay_until_they_are_unpinned(mirror):
    """A name keeps a generation and every object of it."""
    add_pin(mirror, "paper", 1)
    prune(mirror, LAST)
    assert Generations(mirror).read(1).entries()[0].size == 2
    assert contents(mirror) == {b"a1", b"a333", b"b", b"c"}

    remove_pin(mirror, "paper")

    assert prune(mirror, LAST).generations == (1,)
    assert contents(mirror) == {b"a333", b"b", b"c"}


def test_the_current_generation_stays_after_a_rollback(mirror):
    """It is not the newest, and yet what the view shows; numbers are not used again."""
    roll_back(mirror, 1)
    before = seen(mirror)

    prune(mirror, LAST)

    assert seen(mirror) == before
    assert [each.number for each in Generations(mirror).unpruned()] == [1, 3]
    with pytest.raises(StoreError, match="generation 2 was pruned"):
        roll_back(mirror, 2)


def test_numbers_of_pruned_generations_are_not_used_again(mirror):
    """The next publication takes the number after all that ever were."""
    add_pin(mirror, "start", 1)
    roll_back(mirror, 1)
    remove_pin(mirror, "start")
    prune(mirror, RetentionPolicy(keep_days=0))
    assert [each.number for each in Generations(mirror).unpruned()] == [1]

    published = Generations(mirror).publish([held(mirror, "d", b"d")], "run", {})

    assert (published.number, published.parent) == (4, 1)


def test_a_pruned_generation_is_not_published_again(mirror):
    """Though it follows the current one: its rows are not known any more."""
    newest = Generations(mirror).entries()
    roll_back(mirror, 2)
    prune(mirror, RetentionPolicy(keep_days=0))
    assert [each.number for each in Generations(mirror).unpruned()] == [2]

    published = Generations(mirror).publish(newest, "again", {})

    assert (published.number, published.parent) == (4, 2)


def test_sha256sum_still_checks_the_chain(mirror):
    """The lines in docs/store.md accept a pruned chain, and miss a manifest that was not pruned."""
    prune(mirror, LAST)
    sound = sh(mirror, "check-generations")
    (mirror / "generations/000003/manifest.parquet").unlink()

    lost = sh(mirror, "check-generations")

    assert (sound.returncode, sound.stdout + sound.stderr) == (0, "")
    assert "manifest differs" in lost.stdout


def test_what_a_fetch_took_in_and_no_run_published_stays(mirror):
    """Strays stay for 30 days, since a run may yet publish them; then they go."""
    stray = store_row(mirror, "stray", b"stray")
    prune(mirror, LAST)
    assert b"stray" in contents(mirror)

    make_old(mirror, stray.sha256)
    prune(mirror, LAST)

    assert b"stray" not in contents(mirror)


def make_old(mirror: Path, sha256: str) -> None:
    """Let an object have come in a month ago."""
    month = (datetime.now(UTC) - timedelta(days=31)).timestamp()
    os.utime(Objects(mirror).path(sha256), (month, month))


def stopped_run(mirror: Path, name: str, version: Version) -> None:
    """A run that fetched a version and got no further."""
    folder = mirror / "receipts" / "runs" / name
    order = f"jw01345-o001.{version.sha256[:16]}"
    change = Change(kind=NEW, product=version.product)
    write(folder / "changes.json", Poll(listings=(), changes=(change,)))
    write(folder / "orders.json", Orders(products={order: (version.product,)}))
    write(mirror / "receipts" / "fetch" / f"{order}.json", Receipt(versions=(version,)))


def test_what_a_stopped_run_refers_to_stays_while_its_receipts_do(mirror):
    """An old version that a stopped run found again stays; after a later run it is a stray."""
    old = Generations(mirror).read(1).entries()[0]
    version = Version(product=old.product, sha256=old.sha256, size=old.size)
    stopped_run(mirror, "20260301T120000.000000Z-1", version)
    prune(mirror, LAST)
    assert b"a1" in contents(mirror)

    write(mirror / "receipts/runs/20260302T120000.000000Z-1/published.json", {})
    make_old(mirror, old.sha256)
    done = prune(mirror, LAST)

    assert b"a1" not in contents(mirror)
    assert done.folders == ("receipts/runs/20260301T120000.000000Z-1",)
    assert not list((mirror / "receipts/fetch").iterdir())


def test_the_last_run_is_kept_whatever_its_clock_said(mirror):
    """It is the one with the largest number, and not the one with the latest time in its name."""
    runs = [mirror / f"receipts/runs/{year}0301T120000.000000Z-1" for year in (2026, 2099, 2027)]
    for run in runs:
        number_run(run)
        write(run / "published.json", {})

    done = prune(mirror, LAST)

    assert [run.exists() for run in runs] == [False, False, True]
    assert sorted(mirror / folder for folder in done.folders) == sorted(runs[:2])


@pytest.mark.parametrize("adopted", [False, True])
def test_what_waits_to_be_published_stays_while_a_receipt_names_it(mirror, adopted):
    """Fetched by a run that published without it, or adopted: it stays, however old it is."""
    stray = held(mirror, "waits", b"waits")
    version = Version(product=stray.product, sha256=stray.sha256, size=stray.size)
    stopped_run(mirror, "20260301T120000.000000Z-1", version)
    write(mirror / "receipts/runs/20260301T120000.000000Z-1/published.json", {})
    if adopted:
        (receipt,) = (mirror / "receipts/fetch").iterdir()
        receipt.rename(receipt.with_name("adopted.0123456789abcdef.json"))
        write(mirror / "receipts/runs/20260302T120000.000000Z-1/published.json", {})
    make_old(mirror, stray.sha256)

    prune(mirror, LAST)
    assert b"waits" in contents(mirror)

    Generations(mirror).publish([stray], "published", {})
    Generations(mirror).publish([held(mirror, "waits", b"newer")], "newer", {})
    prune(mirror, LAST)
    assert b"waits" not in contents(mirror)


def test_the_receipts_of_a_run_under_way_stay(mirror):
    """It has not published yet: without its receipt it would fetch again, or not know the file."""
    gone = Version(product=held(mirror, "x", b"x").product, sha256="9" * 64, size=1)
    stopped_run(mirror, "20260301T120000.000000Z-1", gone)

    prune(mirror, LAST)

    assert len(list((mirror / "receipts/fetch").iterdir())) == 1


def test_a_receipt_of_two_files_stays_while_one_of_them_does(mirror):
    """The other one's object is gone."""
    stray = held(mirror, "waits", b"waits")
    version = Version(product=stray.product, sha256=stray.sha256, size=stray.size)
    lost = Version(product=stray.product, sha256="9" * 64, size=1)
    receipts = mirror / "receipts/fetch"
    write(receipts / "both.json", Receipt(versions=(lost, version)))
    write(receipts / "lost.json", Receipt(versions=(lost,)))

    done = prune(mirror, LAST)

    assert done.files == ("receipts/fetch/lost.json",)
    assert [path.name for path in receipts.iterdir()] == ["both.json"]


@pytest.mark.parametrize(
    ("last", "days", "text"),
    [
        (None, None, "nothing but what is always kept"),
        (3, None, "the last 3"),
        (None, 7.5, "younger than 7.5 days"),
        (3, 30.0, "the last 3, younger than 30 days"),
        (0, 0.0, "the last 0, younger than 0 days"),
    ],
)
def test_a_policy_is_told_in_words(last, days, text):
    """As on screen and in the tombstone, of which it is the only record."""
    assert str(RetentionPolicy(keep_last=last, keep_days=days)) == text


def test_a_plan_says_why_each_generation_stays_and_where_the_mirror_is(mirror):
    """And what is removed, by number, size and kind."""
    add_pin(mirror, "paper", 1)
    add_pin(mirror, "thesis", 1)

    plan = plan_pruning(mirror, RetentionPolicy(keep_last=1, keep_days=0))

    assert plan.kept == {"1": "pinned: paper, thesis", "3": "current"}
    assert (plan.mirror, plan.policy) == (str(mirror), "the last 1, younger than 0 days")
    assert (plan.generations, plan.bytes) == ((2,), 3)
    assert [(each.sha256, each.size) for each in plan.objects] == [(sha256_of_bytes(b"a22"), 3)]


def sha256_of_bytes(data: bytes) -> str:
    """The name of an object."""
    return hashlib.sha256(data).hexdigest()


def test_a_report_page_goes_with_its_generation(mirror):
    """Those of generations that stay, stay."""
    for number in (1, 3):
        page = report_path(mirror, number)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("page")

    prune(mirror, LAST)

    assert [report_path(mirror, number).exists() for number in (1, 3)] == [False, True]


def test_records_go_with_their_objects(small_mirror):
    """Provenance of results that are gone goes; that of results that are shown stays."""
    mirror, result = small_mirror.root, Generations(small_mirror.root).entries()
    rows = [each for each in result if each.key]
    small_mirror.record("published.json", {})
    Generations(mirror).publish([each for each in result if each != rows[0]], "less", {})

    done = prune(mirror, LAST)

    assert done.records == (rows[0].key,)
    assert Provenance(mirror).read(rows[0].key) is None
    assert Provenance(mirror).recall(rows[1].key)


def test_slices_of_gaia_stay_while_a_record_names_them(small_mirror):
    """That of the next run, and those of results that stay; others are strays."""
    root, long_ago = small_mirror.root, (datetime.now(UTC) - timedelta(days=99)).timestamp()
    store = SliceStore(root)
    former, other, stray = (store.add(CONE, text, "") for text in ("former", "other", "stray"))
    present = store.add(CONE, "present", "")
    for each in (former, other, stray, present):
        os.utime(store.objects.path(each.sha256), (long_ago, long_ago))
    provenance = Provenance(root)
    path = next(path for path in provenance.folder.glob("*.json"))
    record = provenance.read(path.stem)
    references = {**record.derivation.references, "tweakreg.abs_refcat": ("x", former.sha256)}
    aligned = replace(record, derivation=replace(record.derivation, references=references))
    write(path, aligned)

    prune(root, LAST)

    kept = [store.objects.has(each.sha256) for each in (former, other, stray, present)]
    assert kept == [True, False, False, True]
    store.objects.path(present.sha256).unlink()
    (problem,) = [each for each in verify(root).problems if each.kind == "slice"]
    assert problem.path == str(store.record_path(CONE).relative_to(root))
    repair(root)
    assert not [each for each in verify(root).problems if each.kind == "slice"]


def test_a_damaged_mirror_is_not_pruned(mirror):
    """Where a manifest is lost, nobody knows what it needs."""
    (mirror / "generations/000002/manifest.parquet").unlink()

    with pytest.raises(StoreError, match="nothing was pruned"):
        prune(mirror, LAST)

    assert contents(mirror) == {b"a1", b"a22", b"a333", b"b", b"c"}


def test_bytes_that_come_in_again_meanwhile_are_not_removed(mirror, monkeypatch):
    """Between decision and removal a fetch takes the same bytes in: they stay."""
    from jwmirror.store.maintenance import prune as pruning

    remove = pruning._remove_objects

    def overtaken(root, objects, lease):
        held(mirror, "again", b"a1")
        remove(root, objects, lease)

    monkeypatch.setattr(pruning, "_remove_objects", overtaken)
    prune(mirror, LAST)

    assert contents(mirror) == {b"a1", b"a333", b"b", b"c"}


@pytest.mark.parametrize("current", [None, 3])
def test_policies_add_up(current):
    """A generation stays if any policy keeps it; times in the future count as young."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    generations = [
        generation(number, f"2026-03-{day:02d}T00:00:00+00:00")
        for number, day in ((1, 1), (2, 31), (3, 2), (4, 9), (5, 3))
    ]
    policy = RetentionPolicy(keep_last=1, keep_days=2)

    kept = retained_generations(generations, current, {}, policy, now)

    assert set(kept) == {2, 4, 5} | ({current} if current else set())


def generation(number: int, made_at: str) -> Generation:
    """A generation made at a time."""
    return Generation(
        number=number,
        parent=None,
        parent_sha256="",
        manifest_sha256="",
        made_at=made_at,
        cause="",
        counts={},
        facts={},
    )


def test_each_generation_that_stays_has_one_reason():
    """The first that holds; several names are all told."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    generations = [generation(n, f"2026-03-0{n}T00:00:00") for n in range(1, 8)]
    pinned = {1: ("a", "b"), 2: ("c",)}

    def kept(**policy: float) -> dict[int, str]:
        return retained_generations(generations, 2, pinned, RetentionPolicy(**policy), now)

    always = {1: "pinned: a, b", 2: "current"}
    assert kept() == kept(keep_last=0) == kept(keep_days=0) == always
    assert kept(keep_last=2) == always | {n: "one of the last 2" for n in (6, 7)}
    assert kept(keep_days=4) == always | {7: "younger than 4 days"}
    assert kept(keep_days=5.5, keep_last=1) == always | {
        5: "younger than 5.5 days", 6: "younger than 5.5 days", 7: "one of the last 1"
    }  # fmt: skip


@pytest.mark.parametrize(("made_at", "expected"), [("T00:00:00+00:00", 0), ("T00:00:01", 1)])
def test_a_time_without_a_zone_is_utc(made_at, expected):
    """Just as old is not younger."""
    now = datetime(2026, 3, 10, tzinfo=UTC)

    assert is_younger(f"2026-03-03{made_at}", 7, now) is bool(expected)
    assert is_younger("2026-03-02T23:30:00-01:00", 7, now) is True


def test_a_tombstone_says_when_and_by_what_a_generation_was_pruned(mirror):
    """And what outlives it; its view is removed, torn files of an interrupted prune too."""
    torn = mirror / "generations/000001/.pruned.json.x"
    torn.touch()

    prune(mirror, RetentionPolicy(keep_last=1))

    one, two = (read_tombstone(mirror / f"generations/00000{n}") for n in (1, 2))
    assert (one.generation, one.policy, one.kept) == (1, "the last 1", ())
    assert (two.generation, len(two.kept)) == (2, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one.pruned_at)
    assert not torn.exists() and os.listdir(mirror / "views") == ["000003"]
    assert not (mirror / "objects/.pruned").exists()
    assert not (mirror / "generations/000001/manifest.parquet").exists()


@pytest.mark.parametrize("is_there", [True, False])
def test_what_an_interrupted_prune_moved_is_put_back(mirror, is_there):
    """It may be needed again; what came in again meanwhile is not replaced."""
    needed = Generations(mirror).entries()[1]
    place, aside = Objects(mirror).path(needed.sha256), mirror / "objects/.pruned"
    aside.mkdir()
    if is_there:
        shutil.copy(place, aside / needed.sha256)
    else:
        place.rename(aside / needed.sha256)

    prune(mirror, LAST)

    assert place.read_bytes() == b"b" and not aside.exists()


def test_an_object_that_no_generation_names_is_removed_after_thirty_days(mirror):
    """By the time when it came in; folders that are not of objects are let be."""
    stray = store_row(mirror, "stray", b"stray")
    (mirror / "objects/notes").mkdir()
    (mirror / "objects/notes/x").touch()
    os.utime(mirror / "objects/notes/x", (1, 1))
    came = datetime(2026, 3, 1, tzinfo=UTC)
    os.utime(Objects(mirror).path(stray.sha256), (came.timestamp(), came.timestamp()))

    def named(days: float) -> bool:
        plan = plan_pruning(mirror, RetentionPolicy(keep_last=9), came + timedelta(days=days))
        assert {each.sha256 for each in plan.objects} <= {stray.sha256}
        return bool(plan.objects)

    assert [named(days) for days in (1, 29.9, 30, 30.1)] == [False, False, False, True]


def test_a_plan_names_what_it_removes_with_its_time(mirror):
    """So that what is taken in again meanwhile is told from it."""
    (old,) = (row for row in Generations(mirror).read(2).entries() if row.filename == "a")
    os.utime(Objects(mirror).path(old.sha256), ns=(5, 7))

    objects = {each.sha256: each for each in plan_pruning(mirror, LAST).objects}

    assert (objects[old.sha256].size, objects[old.sha256].touched) == (3, 7)


def test_pages_of_dropped_generations_are_named_if_they_exist(mirror):
    """In their order; so are generations and what outlives them."""
    for number in (1, 2, 3):
        page = report_path(mirror, number)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("page") if number != 1 else None

    plan = plan_pruning(mirror, LAST)

    assert plan.files == ("reports/000002.html",)
    assert plan.newest.keys() == {"1", "2"} and plan.newest["1"] == ()


def test_wherever_prune_dies_what_stays_is_whole_and_a_rerun_converges(mirror, tmp_path):
    """At every change to the disk: the current state is whole, and pruning again completes it."""
    came_through, step = False, 0
    wanted = seen(mirror)
    while not came_through:
        step += 1
        copy = tmp_path / str(step)
        os.system(f"cp -a {mirror} {copy}")
        child = os.fork()
        if child == 0:
            die_at(step)
            prune(copy, LAST)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED)
        came_through = code == 0

        assert seen(copy) == wanted
        assert Generations(copy).publish(Generations(copy).entries(), "same", {}) is None
        prune(copy, LAST)
        assert contents(copy) == {b"a333", b"b", b"c"}
        assert verify(copy, full=True).problems == ()
        assert sorted(os.listdir(copy / "generations/000001")) == ["generation.json", "pruned.json"]
        assert os.listdir(copy / "views") == ["000003"]
    assert step > 20
