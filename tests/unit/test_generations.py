"""Generations: published in one step, whole for every reader, wherever the publisher dies."""

import grp
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Product
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.stored import Setup
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from tests.setup.mirrors import overwrite, store_row


def seen(mirror: Path) -> dict[str, bytes]:
    """What a reader finds in current/: path -> bytes."""
    view = mirror / "current"
    found = (path for path in view.rglob("*") if path.is_symlink())
    return {str(path.relative_to(view)): path.read_bytes() for path in found}


def test_a_new_mirror_has_no_generation(mirror):
    """Before anything is published there is nothing to read, and that is no error."""
    generations = Generations(mirror)

    assert generations.current() is None
    assert generations.all() == ()
    assert tuple(generations.entries()) == ()


def test_a_published_state_is_read_back_and_seen(mirror):
    """The rows come back equal, and current/ shows their bytes."""
    rows = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"22")]

    published = Generations(mirror).publish(rows, "first run", {"run": "R1"})

    current = Generations(mirror).current()
    assert current == published
    assert current.entries() == rows
    assert (current.number, current.parent, current.parent_sha256) == (1, None, "")
    assert (current.cause, current.facts) == ("first run", {"run": "R1"})
    assert current.counts == {
        "files": 2, "bytes": 3, "new": 2, "changed": 0, "marked": 0, "gone": 0,
        "bytes_added": 3,
    }  # fmt: skip
    assert seen(mirror) == {"upstream/jw01345/o001/a": b"1", "upstream/jw01345/o001/b": b"22"}


def test_a_state_without_a_cause_is_explained(mirror):
    """Its causes are recorded, and their words; of an equal state they are not asked for."""
    row = store_row(mirror, "a", b"1")
    cause = Cause(kind="removed", recipe="deep", files=2)
    asked = []

    def explain(before, rows, differing):
        asked.append((list(before), list(rows), differing.counts["new"]))
        return (cause,)

    for _ in range(2):
        Generations(mirror).publish([row], "", {}, explain=explain)

    found = Generations(mirror).current()
    assert asked == [([], [row], 1)]
    assert found.causes == (cause,)
    assert found.cause == "recipe deep was removed: 2 files left the view"


def test_an_equal_state_is_not_published_again(mirror):
    """Rows that equal the current ones, in any order, make no generation."""
    rows = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"22")]
    Generations(mirror).publish(rows, "first run", {})

    again = Generations(mirror).publish(reversed(rows), "second run", {})

    assert again is None
    assert len(Generations(mirror).all()) == 1


def test_generations_are_chained(mirror):
    """Each generation names its parent and the sha256 of the parent's record."""
    first = store_row(mirror, "a", b"1")
    Generations(mirror).publish([first], "one", {})
    Generations(mirror).publish([first, store_row(mirror, "b", b"2")], "two", {})

    one, two = Generations(mirror).all()

    record = (one.folder / "generation.json").read_bytes()
    assert (two.parent, two.parent_sha256) == (1, hashlib.sha256(record).hexdigest())
    assert (two.counts["new"], two.counts["gone"]) == (1, 0)


def test_a_generation_cannot_be_edited_by_accident(mirror):
    """Its record and its rows are read-only; every user may enter its folder."""
    generation = Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})

    modes = {path.name: path.stat().st_mode & 0o777 for path in generation.folder.iterdir()}

    assert modes == {"generation.json": 0o444, "manifest.parquet": 0o444}
    assert generation.folder.stat().st_mode & 0o777 == 0o755
    assert (mirror / "views/000001").stat().st_mode & 0o777 == 0o755


def test_without_a_generation_the_error_says_how_to_begin(mirror):
    """Commands on an empty mirror do not fail on None."""
    with pytest.raises(StoreError, match="holds no mirror yet"):
        Generations(mirror).require_current()


def test_the_recorded_config_of_a_generation_is_read_as_published(mirror):
    """An edited or lost one is an error, and an earlier version recorded none."""
    setup = Setup(config={"mirror": "m"}, recipes=(), software={"": {"jwst": "3.0.0"}})
    rows = [store_row(mirror, "a", b"1")]
    with_setup = Generations(mirror).publish(rows, "one", {}, setup=setup)
    without = Generations(mirror).publish([store_row(mirror, "a", b"2")], "two", {})
    path = with_setup.folder / "setup.json"
    mode = path.stat().st_mode & 0o777

    assert (with_setup.setup(), without.setup(), mode) == (setup, None, 0o444)
    overwrite(path, path.read_bytes() + b" ")
    with pytest.raises(StoreError, match=r"sha256 of .*setup\.json: expected"):
        with_setup.setup()
    path.unlink()
    with pytest.raises(StoreError, match="got no file"):
        with_setup.setup()


def test_the_rows_of_a_pruned_generation_are_not_read(mirror):
    """Its manifest may still be there, and its objects gone."""
    generation = Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    (generation.folder / "pruned.json").write_text("{}")

    for read in (generation.entries, lambda: Generations(mirror).read_unpruned(1)):
        with pytest.raises(StoreError, match="generation 1 was pruned"):
            read()
    assert generation.is_pruned
    assert Generations(mirror).unpruned() == ()


def test_a_generation_that_does_not_exist_is_told(mirror):
    """By its number, with the command that lists those that do."""
    with pytest.raises(StoreError, match=r"there is no generation 7; `jwmirror log`"):
        Generations(mirror).read(7)


def test_a_generation_that_cannot_be_named_is_an_error_of_the_disk(mirror, monkeypatch):
    """It leaves nothing, and the state before is current."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    row, rename = store_row(mirror, "a", b"2"), os.rename

    def refuse(old, new):
        if Path(new).parent.name == "generations":
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StoreError, match="publication: the disk refused it"):
        Generations(mirror).publish([row], "two", {})

    assert os.listdir(mirror / "generations") == ["000001"]
    assert Generations(mirror).current().number == 1


def test_the_former_state_stays_readable(mirror):
    """A reader that entered the former view goes on reading it; older views go, their rows stay."""
    for data in (b"1", b"2", b"3"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})

    former = mirror / "views/000002/upstream/jw01345/o001/a"
    assert former.read_bytes() == b"2"
    assert not (mirror / "views/000001").exists()
    assert Generations(mirror).read(1).entries()[0].size == 1


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_state_without_its_objects_is_refused(mirror, damage):
    """When an object is missing or short, nothing is published and the former state stays."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    wanted = store_row(mirror, "b", b"22")
    place = Objects(mirror).path(wanted.sha256)
    place.unlink()
    if damage == "short":
        place.write_bytes(b"2")

    with pytest.raises(StoreError, match="upstream/jw01345/o001/b; nothing was published"):
        Generations(mirror).publish([wanted], "two", {})

    assert seen(mirror) == {"upstream/jw01345/o001/a": b"1"}
    assert [each.number for each in Generations(mirror).all()] == [1]


def test_two_publishers_do_not_overwrite_each_other(mirror, monkeypatch):
    """The second of two that started from one state is told, and the first one's state stays."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    second, check = Generations(mirror), Generations._set_access
    rows = {name: [store_row(mirror, name, name.encode())] for name in ("first", "second")}

    def overtaken(self, access, entries, before):
        monkeypatch.setattr(Generations, "_set_access", check)
        Generations(mirror).publish(rows["first"], "the other's", {})

    monkeypatch.setattr(Generations, "_set_access", overtaken)
    with pytest.raises(StoreError, match="another process published it meanwhile"):
        second.publish(rows["second"], "late", {})

    assert seen(mirror) == {"upstream/jw01345/o001/first": b"first"}


def test_a_manifest_that_was_edited_is_told(mirror):
    """A manifest that is not the published one is never read as if it were."""
    published = Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    manifest = published.folder / "manifest.parquet"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes() + b" ")

    with pytest.raises(StoreError, match=f"expected {published.manifest_sha256}"):
        Generations(mirror).entries()


@pytest.mark.parametrize("text", ["", "forty-two\n", "42\n"])
def test_a_pointer_to_nothing_is_told(mirror, text):
    """A CURRENT that names no generation is an error, not an empty mirror."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    (mirror / "CURRENT").write_text(text)

    with pytest.raises(StoreError):
        Generations(mirror).current()


def test_pointers_are_repaired(mirror):
    """A lost `current` and a lost view are made again from CURRENT."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})
    (mirror / "current").unlink()
    (mirror / "views/000001").rename(mirror / "views/lost")

    Generations(mirror).repair_pointers()

    assert seen(mirror) == {"upstream/jw01345/o001/a": b"1"}


def test_publication_sets_who_may_read(mirror):
    """Exclusive objects are closed when published, and opened when they are released."""
    product = Product(
        uri="u", filename="a", program=1345, observation="o001", suffix="uncal", exclusive=True
    )
    mine = store_row(mirror, "a", b"1", product=product)
    Generations(mirror).publish([mine], "one", {})
    closed = Objects(mirror).path(mine.sha256).stat().st_mode & 0o777

    released = replace(mine, product=structs.replace(product, exclusive=False))
    Generations(mirror).publish([released], "released", {})

    assert closed == 0o400
    assert Objects(mirror).path(mine.sha256).stat().st_mode & 0o777 == 0o444


def test_another_group_is_set_though_nothing_else_changed(mirror):
    """A group that the config names now may read what was published before, and what is new."""
    product = Product(
        uri="u", filename="a", program=1345, observation="o001", suffix="uncal", exclusive=True
    )
    mine = store_row(mirror, "a", b"1", product=product)
    Generations(mirror).publish([mine], "one", {})
    place, group = Objects(mirror).path(mine.sha256), grp.getgrgid(os.getgid()).gr_name

    assert Generations(mirror, group).publish([mine], "the same", {}) is None
    shared = place.stat().st_mode & 0o777
    assert Generations(mirror).publish([mine], "the same", {}) is None

    assert (shared, place.stat().st_mode & 0o777) == (0o440, 0o400)
