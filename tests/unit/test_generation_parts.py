"""The parts of generations: what each record, manifest and pointer says."""

import os
import re
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry, Product
from jwmirror.store.generations import Generations
from jwmirror.store.losses import Loss, record_loss
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.manifest import entries_of
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin
from jwmirror.store.view import build_view
from tests.setup.mirrors import overwrite, store_row

# ---- part by part ------------------------------------------------------------------------------


def publish(mirror: Path, *states: tuple[bytes, ...]) -> Generations:
    """Publish generations of files a, b, c... with these bytes."""
    for datas in states:
        rows = [store_row(mirror, name, d) for name, d in zip("abc", datas, strict=False)]
        Generations(mirror).publish(rows, "run", {})
    return Generations(mirror)


def test_generations_are_listed_by_number_whatever_else_is_there(mirror, monkeypatch):
    """And in whatever order their folders are listed."""
    publish(mirror, (b"1",), (b"2",), (b"3",))
    (mirror / "generations/notes").mkdir()
    (mirror / "generations/.000004.torn").mkdir()
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(sorted(listed(folder))))

    assert [each.number for each in Generations(mirror).all()] == [1, 2, 3]
    assert [each.number for each in Generations(mirror).unpruned()] == [1, 2, 3]


def test_a_generation_has_the_time_of_its_publication(mirror):
    """To the second, in UTC."""
    generation = publish(mirror, (b"1",)).read(1)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", generation.made_at)
    assert generation.folder == mirror / "generations/000001"


def test_publishing_the_same_again_repairs_what_readers_use(mirror):
    """The link to the view."""
    publish(mirror, (b"1",))
    (mirror / "current").unlink()

    publish(mirror, (b"1",))

    assert os.readlink(mirror / "current") == "views/000001"


def test_a_first_generation_that_was_interrupted_is_completed(mirror):
    """Its publisher died before it wrote CURRENT; other rows are another generation."""
    publish(mirror, (b"1",))
    (mirror / "CURRENT").unlink()

    assert publish(mirror, (b"1",)).current().number == 1
    (mirror / "CURRENT").unlink()
    assert (publish(mirror, (b"2",)).current().number, Generations(mirror).read(2).parent) == (
        2,
        None,
    )


def test_modes_of_objects_are_known_but_of_lost_ones(mirror):
    """A loss that is recorded is no error; one that is not, is told with the number of all."""
    rows = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"22")]
    objects, entries = Objects(mirror), entries_of(rows)
    objects.restrict(rows[0].sha256)
    generations = Generations(mirror)
    assert generations.check_objects(entries) == {rows[0].sha256: 0o400, rows[1].sha256: 0o444}

    objects.path(rows[1].sha256).unlink()
    words = f"1 of 2 .* such as {objects.path(rows[1].sha256)} .2 bytes. for {rows[1].path}"
    with pytest.raises(StoreError, match=words):
        generations.check_objects(entries)
    loss = Loss(sha256=rows[1].sha256, size=2, path="p", why="w", found_at="t")
    record_loss(mirror, loss)
    assert generations.check_objects(entries) == {rows[0].sha256: 0o400}


def owned(mirror: Path, data: bytes, is_exclusive: bool) -> Entry:
    """A row of one product of MAST."""
    product = Product(
        uri="u", filename="a", program=1, observation="o001", suffix="x", exclusive=is_exclusive
    )
    return store_row(mirror, "a", data, product=product)


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_older_versions_have_the_access_of_the_newest(mirror, is_exclusive):
    """Also where only another version is published now, and where the newest was pruned."""
    old, new = owned(mirror, b"1", not is_exclusive), owned(mirror, b"2", is_exclusive)
    Generations(mirror).publish([old], "one", {})
    Generations(mirror).publish([new], "two", {})

    mode = Objects(mirror).path(old.sha256).stat().st_mode & 0o777
    closed = Generations(mirror).access().closed(entries_of([old]))

    assert mode == (0o400 if is_exclusive else 0o444)
    assert closed == ({old.sha256} if is_exclusive else set())


def test_access_is_that_of_the_newest_generation_with_rows(mirror):
    """A pruned one is newer after a rollback; of it, only what outlives it is known."""
    row = owned(mirror, b"1", True)
    Generations(mirror).publish([row], "one", {})
    Generations(mirror).publish([owned(mirror, b"1", False)], "two", {})
    roll_back(mirror, 1)
    prune(mirror, RetentionPolicy(keep_days=0))

    access = Generations(mirror).access()

    assert [each.number for each in Generations(mirror).unpruned()] == [1]
    assert access.closed(entries_of([row])) == {row.sha256}


@pytest.mark.parametrize("link", [None, "views/000009", "a file"])
def test_the_link_to_the_view_is_repaired_whatever_is_there(mirror, link):
    """And left alone where it is right."""
    generations = publish(mirror, (b"1",))
    inode = (mirror / "current").lstat().st_ino
    generations.repair_pointers()
    assert (mirror / "current").lstat().st_ino == inode
    (mirror / "current").unlink()
    if link == "a file":
        (mirror / "current").write_text("mine")
    elif link:
        (mirror / "current").symlink_to(link)

    generations.repair_pointers()

    assert os.readlink(mirror / "current") == "views/000001"


def test_nothing_is_repaired_before_the_first_publication(mirror):
    """And no view is needed."""
    Generations(mirror).repair_pointers()

    assert not mirror.exists() and Generations(mirror).spare_view(set()) is None


def test_a_spare_view_is_the_newest_that_nothing_needs(mirror):
    """Neither a pinned one, nor one without its folder, nor one of a damaged generation."""
    generations = publish(mirror, (b"1",), (b"2",))
    for number in (1, 3, 4):
        build_view(mirror, number, generations.read(min(number, 2)).entries())

    found = generations.spare_view({2})
    assert (found.number, found.entries.column("path")) == (1, ["upstream/jw01345/o001/a"])
    assert found.entries.column("sha256") == generations.read(1).entries().column("sha256")
    assert generations.spare_view(set()).number == 2
    assert generations.spare_view({1, 2}) is None
    add_pin(mirror, "paper", 2)
    assert generations.spare_view(set()).number == 1
    overwrite(mirror / "generations/000001/manifest.parquet", b"damaged")
    assert generations.spare_view({2}) is None
