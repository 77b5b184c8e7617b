"""Repair: what MAST has unchanged comes back, the rest is told, and nothing damaged is shown."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.archive.transfer import MastDownloader
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry, Failure, Version
from jwmirror.core.model.maintenance import Problem
from jwmirror.store.entries import upstream_path
from jwmirror.store.generations import Generations
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.repair import PREVIEW, _quarantine, preview_repair, repair
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import run
from tests.setup.listings import ask_mast
from tests.setup.mirrors import EXPOSURE, flip_bit, overwrite, store_row
from tests.setup.records import product

CONFIG = """
mirror: {root}
archive: {{url: "{url}"}}
references: {{url: "http://localhost:1"}}
programs: [{{program: 1345}}]
"""


@pytest.fixture
def filled(archive, tmp_path) -> Path:
    """A mirror of all that the archive has."""
    root = tmp_path / "mirror"
    products = ask_mast(archive.url).products
    rows = []
    into = tmp_path / "into"
    for each in MastDownloader(archive.url).download(products, into, tmp_path / "quarantine"):
        version = Version(product=each.product, sha256=each.sha256, size=each.size)
        Objects(root).add_versions([version], [each.path])
        path = upstream_path(each.product)
        rows.append(
            Entry(
                path=path, origin="upstream", sha256=each.sha256, size=each.size,
                product=each.product,
            )
        )  # fmt: skip
    Generations(root).publish(rows, "first", {})
    return root


@pytest.fixture
def config(filled, archive, tmp_path) -> Path:
    """The config of that mirror."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(root=filled, url=archive.url))
    return path


def place(root: Path, name: str) -> Path:
    """The object of a file."""
    (entry,) = [each for each in Generations(root).entries() if each.filename == name]
    return Objects(root).path(entry.sha256)


def test_what_mast_has_unchanged_comes_back_and_the_rest_is_told(filled, config, archive):
    """Flipped bits are mended; what vanished stays as a row, told as lost.

    One test, since a process can ask one server.
    """
    chance = random.Random(4)
    gone = next(e.filename for e in Generations(filled).entries() if "_uncal" in e.filename)
    chosen = {place(filled, gone)}
    for sha256 in chance.sample(sorted({e.sha256 for e in Generations(filled).entries()}), 5):
        chosen.add(Objects(filled).path(sha256))
    for path in chosen:
        flip_bit(path, chance.randrange(1 << 20))
    archive.withdraw(gone)
    assert len(verify(filled, full=True).problems) == len(chosen)

    page = run("verify", "--full", "--repair", "--config", config, code=1)

    assert f"{len(chosen)} problems, {len(chosen) - 1} of them repaired" in page
    assert len(list((filled / "quarantine").glob("*.damaged"))) == len(chosen)
    (problem,) = verify(filled, full=True).problems
    assert "MAST no longer lists it" in problem.found and gone in problem.found
    rows = [replace(each, state="vanished") for each in Generations(filled).entries()]
    assert Generations(filled).publish(rows, "next", {}).number == 2


def test_a_lost_object_that_came_back_is_not_lost(small_mirror):
    """Taken back from a copy of the mirror, it is as it was."""
    root = small_mirror.root
    entry = next(each for each in Generations(root).entries() if each.product)
    path = Objects(root).path(entry.sha256)
    data = path.read_bytes()
    path.unlink()
    repair(root, refetch=lambda products: ())
    assert set(read_losses(root)) == {entry.sha256}

    path.write_bytes(data)
    repair(root)

    assert read_losses(root) == {}
    assert verify(root, full=True).problems == ()


def test_a_result_gives_way(small_mirror):
    """Its record goes, so that the next run makes it again."""
    root = small_mirror.root
    entry = next(each for each in Generations(root).entries() if each.key)
    flip_bit(Objects(root).path(entry.sha256), 9)

    (outcome,) = repair(root, full=True).outcomes

    assert "the next run makes" in outcome.done
    assert Provenance(root).read(entry.key) is None
    assert not Objects(root).has(entry.sha256)


@pytest.mark.parametrize("damage", ["current", "CURRENT", "view", "row", "stranger", "record"])
def test_names_are_rebuilt(small_mirror, damage):
    """Pointers, views and rows of views come back from the generations."""
    root = small_mirror.root
    row = next((root / "views/000001").rglob("*_i2d.fits"))
    if damage in ("current", "CURRENT"):
        (root / damage).unlink()
    elif damage == "view":
        (root / "views/000001").rename(root / "views/.gone")
    elif damage == "row":
        row.unlink()
    elif damage == "stranger":
        row.with_name("mine.txt").write_text("mine")
    else:
        overwrite(next((root / "provenance").glob("*.json")), b"{")
    assert verify(root, full=True).problems

    done = repair(root, full=True)

    assert all(each.is_mended for each in done.outcomes)
    left = [(problem.kind, problem.found) for problem in verify(root, full=True).problems]
    assert left == ([("provenance", "nothing")] if damage == "record" else [])
    assert bool(list(root.glob("quarantine/*"))) == (damage in ("stranger", "record"))


def test_a_plan_changes_nothing(small_mirror):
    """It tells what would be tried."""
    (small_mirror.root / "current").unlink()

    (outcome,) = preview_repair(small_mirror.root).outcomes

    assert outcome.done == "would be rebuilt"
    assert not (small_mirror.root / "current").exists()


def test_what_cannot_be_mended_is_told(small_mirror):
    """A manifest that is lost can be had from a copy of the mirror only."""
    (small_mirror.root / "generations/000001/manifest.parquet").unlink()

    (outcome,) = repair(small_mirror.root).outcomes

    assert not outcome.is_mended
    assert "restore it from a copy" in outcome.done


@pytest.mark.parametrize("result", [False, True])
def test_what_is_another_users_is_left_as_it_is(small_mirror, monkeypatch, result):
    """An object that we may not read is not damaged for all we know: it stays, and its record."""
    root = small_mirror.root
    entry = next(e for e in Generations(root).entries() if bool(e.key) == result)
    hidden = str(Objects(root).path(entry.sha256))

    def denied(paths):
        error = PermissionError(13, "Permission denied")
        return ((path, error if path == hidden else os.path.basename(path)) for path in paths)

    monkeypatch.setattr("jwmirror.store.maintenance.verify.hash_files", denied)
    (outcome,) = repair(root, full=True, refetch=lambda products: ()).outcomes

    assert not outcome.is_mended and "who may read it has to verify" in outcome.done
    assert Objects(root).has(entry.sha256, entry.size)
    assert read_losses(root) == {}
    assert not entry.key or Provenance(root).read(entry.key)


# ---- step by step ------------------------------------------------------------------------------


def test_a_preview_says_for_each_problem_what_would_be_done(small_mirror):
    """Upstream files, results, records, links, and what only a copy of the mirror has."""
    root = small_mirror.root
    rows = Generations(root).entries()
    upstream, made = (next(row for row in rows if bool(row.key) == is_made) for is_made in (0, 1))
    other = store_row(root, "unused", b"unused")
    for sha256 in (upstream.sha256, made.sha256, other.sha256):
        flip_bit(Objects(root).path(sha256), 5)
    overwrite(next((root / "provenance").glob("*.json")), b"{")
    next((root / "views/000001").rglob("*_i2d.fits")).unlink()
    add_pin(root, "paper", 1)
    overwrite(root / "pins/paper.json", b"{")

    report = preview_repair(root, full=True)

    acts = {outcome.problem.path.split("/")[0]: outcome.done for outcome in report.outcomes}
    objects = {Path(o.problem.path).name: o.done for o in report.outcomes}
    assert objects[upstream.sha256] == PREVIEW["refetch"]
    assert objects[made.sha256] == PREVIEW["remake"]
    assert objects[other.sha256] == acts["provenance"] == PREVIEW["quarantine"]
    assert acts["views"] == PREVIEW["rebuild"]
    assert acts["pins"] == "not repaired: restore it from a copy of the mirror"
    assert (report.mirror, report.is_full) == (str(root), True)
    assert tuple(o.problem for o in report.outcomes) == verify(root, full=True).problems
    assert not any(outcome.is_mended for outcome in report.outcomes)
    assert not preview_repair(root).is_full


def test_without_a_generation_there_is_nothing_to_repair(tmp_path):
    """An empty folder is no damaged mirror."""
    with pytest.raises(StoreError, match="nothing to repair"):
        repair(tmp_path / "empty")


def test_a_report_lists_all_problems_in_order(small_mirror):
    """With where it was looked and how."""
    root = small_mirror.root
    for row in Generations(root).entries():
        flip_bit(Objects(root).path(row.sha256), 5)
    next((root / "views/000001").rglob("*_i2d.fits")).unlink()
    problems = verify(root, full=True).problems

    report = repair(root, full=True)

    assert (report.mirror, report.is_full) == (str(root), True)
    assert tuple(outcome.problem for outcome in report.outcomes) == problems
    assert {o.is_mended for o in report.outcomes if o.problem.kind == "object"} == {False}
    assert not repair(root).is_full


def lost_rows(mirror: Path, *names: str, **facts: object) -> list[Entry]:
    """Publish rows whose objects are lost then."""
    rows = [store_row(mirror, n, n.encode(), product=product(n, **facts)) for n in names]
    Generations(mirror).publish(rows, "run", {})
    for row in rows:
        Objects(mirror).path(row.sha256).unlink()
    return rows


@pytest.mark.parametrize("is_exclusive", [False, True])
def test_what_mast_has_comes_back_with_its_access(mirror, tmp_path, is_exclusive):
    """Other bytes and failures are told, and recorded as lost."""
    rows = lost_rows(mirror, "a", "b", "c", "d", exclusive=is_exclusive)
    for name, data in (("a", b"a"), ("b", b"other")):
        (tmp_path / name).write_bytes(data)

    def refetch(products):
        assert sorted(each.filename for each in products) == ["a", "b", "c", "d"]
        for row, sha256 in ((rows[0], rows[0].sha256), (rows[1], "0" * 64)):
            yield (
                Version(product=row.product, sha256=sha256, size=1),
                tmp_path / row.filename,
            )
        yield Failure(name="c", message="refused")

    report = repair(mirror, refetch=refetch)

    done = {Path(o.problem.path).name: (o.is_mended, o.done) for o in report.outcomes}
    a, b, c, d = (done[row.sha256] for row in rows)
    assert a == (True, "downloaded again from MAST")
    assert b[1].startswith(f"lost, {rows[1].path}: MAST has other bytes of it now ({'0' * 64});")
    assert c == (False, f"lost, {rows[2].path}: refused; restore it from a copy of the mirror")
    assert (d[0], d[1].split(": ")[1]) == (
        False,
        "MAST no longer lists it; restore it from a copy of the mirror",
    )
    mode = Objects(mirror).path(rows[0].sha256).stat().st_mode & 0o777
    assert mode == (0o400 if is_exclusive else 0o444)
    assert not (tmp_path / "b").exists()
    losses = read_losses(mirror)
    assert set(losses) == {row.sha256 for row in rows[1:]}
    loss = losses[rows[2].sha256]
    assert (loss.size, loss.path, loss.why) == (1, rows[2].path, "refused")


def test_what_comes_back_only_with_the_token_is_closed(mirror, tmp_path):
    """Its row says that it is public; the next run asks again without the token."""
    (row,) = lost_rows(mirror, "a")
    (tmp_path / "a").write_bytes(b"a")
    came = structs.replace(row.product, needs_token=True)

    repair(
        mirror,
        refetch=lambda products: [
            (Version(product=came, sha256=row.sha256, size=1), tmp_path / "a")
        ],
    )

    assert Objects(mirror).path(row.sha256).stat().st_mode & 0o777 == 0o400


def test_without_a_config_nothing_is_recorded_as_lost(mirror):
    """MAST was not asked; the damaged bytes are kept."""
    (row,) = [store_row(mirror, "a", b"a")]
    Generations(mirror).publish([row], "run", {})
    flip_bit(Objects(mirror).path(row.sha256), 1)

    (outcome,) = repair(mirror, full=True).outcomes

    place = f"quarantine/{row.sha256}.damaged"
    assert outcome.done == (
        f"lost, {row.path}: MAST was not asked: give --config FILE; the damaged bytes are in "
        f"{place}; restore it from a copy of the mirror"
    )
    assert read_losses(mirror) == {} and (mirror / place).exists()


def test_what_is_moved_to_quarantine_never_replaces_what_is_there(mirror):
    """Each has its reason beside it."""
    problem = Problem("view", "views/mine", "nothing", "a file")
    for number, name in ((1, "mine.damaged"), (2, "mine.2.damaged"), (3, "mine.3.damaged")):
        (mirror / "views").mkdir(parents=True, exist_ok=True)
        (mirror / "views/mine").write_text(str(number))

        assert _quarantine(mirror, problem) == f"quarantine/{name}"
        assert (mirror / "quarantine" / name).read_text() == str(number)
        reason = (mirror / "quarantine" / f"{name}.reason").read_text()
        assert reason == "views/mine: expected nothing, found a file\n"

    assert _quarantine(mirror, problem) == ""


@pytest.fixture
def three(mirror) -> Path:
    """A mirror of three generations without CURRENT."""
    for data in (b"1", b"2", b"3"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})
    (mirror / "CURRENT").unlink()
    return mirror


@pytest.mark.parametrize(
    ("shown", "damaged", "expected"),
    [
        ("views/000002", (), 2),
        ("views/000009", (), 3),
        ("views/mine", (), 3),
        (None, (), 3),
        (None, (3,), 2),
        ("views/000003", (3,), 2),
        ("views/000003", (1, 2, 3), None),
    ],
)
def test_current_is_what_is_shown_or_the_newest_that_is_complete(three, shown, damaged, expected):
    """A generation whose manifest is lost is not complete."""
    (three / "current").unlink()
    if shown:
        (three / "current").symlink_to(shown)
    for number in damaged:
        (three / f"generations/{number:06d}/manifest.parquet").unlink()

    outcomes = repair(three).outcomes

    if expected is None:
        assert not (three / "CURRENT").exists()
        assert "not repaired: no generation is complete; restore one from a copy of the mirror" in {
            outcome.done for outcome in outcomes
        }
        return
    (done,) = (o for o in outcomes if o.problem.path == "CURRENT")
    assert (done.is_mended, done.done) == (True, f"it names generation {expected} now")
    assert (three / "CURRENT").read_text() == f"{expected}\n"
    assert os.readlink(three / "current") == f"views/{expected:06d}"


@pytest.mark.parametrize("damage", ["gone", "folder gone", "another target", "a file", "stranger"])
def test_a_link_of_a_view_is_corrected(mirror, damage):
    """What does not belong there is moved away; the rest is linked again."""
    row = store_row(mirror, "a", b"1")
    Generations(mirror).publish([row], "run", {})
    link = mirror / "views/000001" / row.path
    target = os.readlink(link)
    if damage == "stranger":
        link.with_name("mine").write_text("mine")
    else:
        link.unlink()
    if damage == "folder gone":
        link.parent.rmdir()
        link.parent.parent.rmdir()
    elif damage == "another target":
        link.symlink_to("elsewhere")
    elif damage == "a file":
        link.write_text("mine")

    (outcome,) = repair(mirror, full=True).outcomes

    name = {"a file": "a", "stranger": "mine"}.get(damage)
    moved = f"moved to quarantine/{name}.damaged" if name else "linked again"
    assert (outcome.is_mended, outcome.done) == (True, moved)
    assert os.readlink(link) == target
    assert os.listdir(link.parent) == ["a"]
    assert verify(mirror, full=True).problems == ()


def test_a_view_or_the_link_to_it_is_rebuilt(mirror):
    """From CURRENT."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "run", {})
    (mirror / "current").unlink()

    (outcome,) = repair(mirror).outcomes

    assert (outcome.is_mended, outcome.done) == (True, "rebuilt from CURRENT and its generation")


def test_a_copy_of_a_generation_is_no_generation(three):
    """The pointer is rebuilt, to the newest generation that is complete."""
    (three / "generations" / "1.old").mkdir()
    (three / "CURRENT").write_text("²")

    repair(three)

    assert Generations(three).current().number == 3


def test_a_pin_that_cannot_be_read_is_named_with_the_next_step(three):
    """And is left as it is; so is one of a generation that is lost."""
    (three / "CURRENT").write_text("3\n")
    add_pin(three, "paper", 1)
    (three / "generations/000001/generation.json").unlink()

    done = {o.problem.path: (o.is_mended, o.done) for o in repair(three).outcomes}

    assert done["pins/paper.json"] == (False, "not repaired: use `jwmirror unpin paper`")
    assert done["generations/000001/generation.json"][1] == (
        "not repaired: restore it from a copy of the mirror"
    )


def test_the_newest_row_of_a_lost_object_names_it(mirror):
    """Generations whose manifests are damaged are passed over."""
    row = store_row(mirror, "a", b"1")
    moved = replace(row, path=row.path.replace("o001", "o002"))
    for rows in ([row], [moved], [store_row(mirror, "b", b"2")], [store_row(mirror, "b", b"3")]):
        Generations(mirror).publish(rows, "run", {})
    overwrite(mirror / "generations/000003/manifest.parquet", b"damaged")
    Objects(mirror).path(row.sha256).unlink()

    outcomes = {o.problem.kind: o for o in repair(mirror, refetch=lambda products: ()).outcomes}

    assert f"lost, {moved.path}: MAST no longer lists it" in outcomes["object"].done
    assert read_losses(mirror)[row.sha256].path == moved.path


@pytest.mark.parametrize("has_record", [True, False])
def test_a_lost_result_is_recorded_and_made_again(small_mirror, has_record):
    """Its record may be gone already."""
    root = small_mirror.root
    row = small_mirror.rows[f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"]
    Objects(root).path(row.sha256).unlink()
    if not has_record:
        Provenance(root).path(row.key).unlink()

    (outcome,) = repair(root).outcomes

    assert outcome.done == f"record {row.key[:12]} removed: the next run makes {row.path} again"
    assert not outcome.is_mended
    loss = read_losses(root)[row.sha256]
    assert loss.why == "a result of recalibration; the next run makes it again"
