"""Repair: what MAST has unchanged comes back, the rest is told, and nothing damaged is shown."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.archive.listing import query_listing
from jwmirror.archive.transfer import MastDownloader
from jwmirror.core.model import Entry, Version
from jwmirror.store.entries import upstream_path
from jwmirror.store.generations import Generations
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.repair import preview_repair, repair
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import run
from tests.setup.mirrors import flip_bit, overwrite

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
    products = query_listing(archive.url, 1345).products
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
    assert verify(root, full=True).problems == ()
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
