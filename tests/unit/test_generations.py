"""Generations: published in one step, whole for every reader, wherever the publisher dies."""

import grp
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core.errors import StoreError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import GONE, Entry, Product
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.stored import Setup
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

MUTATIONS = ("replace", "rename", "symlink", "mkdir", "fsync", "unlink", "rmdir", "chmod", "link")
DIED = 77


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


# ---- dying midway ----------------------------------------------------------------------------


def die_at(step: int) -> list[int]:
    """Let this process stop dead before its n-th change to the disk; the counter."""
    count = [0]

    def watched(act: Callable) -> Callable:
        def perform(*args, **kwargs):
            count[0] += 1
            if count[0] == step:
                os._exit(DIED)
            return act(*args, **kwargs)

        return perform

    for name in MUTATIONS:
        setattr(os, name, watched(getattr(os, name)))
    return count


def publish_in_child(mirror: Path, rows: list[Entry], step: int) -> bool:
    """Publish in another process that dies before its n-th change; whether it came through."""
    child = os.fork()
    if child == 0:
        die_at(step)
        Generations(mirror).publish(rows, "two", {})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, DIED)
    return code == 0


def test_wherever_a_publisher_dies_one_state_is_whole_and_a_rerun_converges(tmp_path):
    """At every change to the disk: old or new state, pointers agree, publishing again completes."""
    came_through, step = False, 0
    while not came_through:
        step += 1
        mirror = tmp_path / str(step)
        old = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"2")]
        new = [
            store_row(mirror, "a", b"one"),
            replace(old[1], state=GONE),
            store_row(mirror, "c", b"3"),
        ]
        Generations(mirror).publish(old, "one", {})

        came_through = publish_in_child(mirror, new, step)

        found = Generations(mirror)
        states = {1: old, 2: new}
        assert found.entries() == states[found.current().number]
        assert seen(mirror) in (shown(mirror, old), shown(mirror, new))
        found.repair_pointers()
        assert seen(mirror) == shown(mirror, found.entries())
        found.publish(new, "two", {})
        assert seen(mirror) == shown(mirror, new)
        assert [each.number for each in found.all()] == [1, 2]
        assert sorted(os.listdir(mirror / "views")) == ["000001", "000002"]
        assert sorted(os.listdir(mirror / "generations")) == ["000001", "000002"]
    assert step > 20


def test_another_state_than_the_interrupted_one_can_follow(mirror):
    """A generation that never became current is not built upon, and its number is not reused."""
    old, late = [store_row(mirror, "a", b"1")], [store_row(mirror, "a", b"2")]
    Generations(mirror).publish(old, "one", {})
    Generations(mirror).publish(late, "interrupted", {})
    (mirror / "CURRENT").write_text("1\n")

    published = Generations(mirror).publish([store_row(mirror, "a", b"3")], "three", {})

    assert (published.number, published.parent) == (3, 1)
    assert seen(mirror) == {"upstream/jw01345/o001/a": b"3"}


def test_wherever_taking_in_dies_no_object_is_wrong(tmp_path):
    """Die at every change of taking in: what bears a name is whole, and a re-run ends it."""
    died, step = True, 0
    while died:
        step += 1
        objects = Objects(tmp_path / str(step))
        files = []
        for number in range(3):
            files.append(objects.incoming / str(number))
            files[-1].write_bytes(b"ramp" * number)
        child = os.fork()
        if child == 0:
            die_at(step)
            objects.add_files(files)
            os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED

        for path in objects.folder.glob("??/*"):
            assert sha256_of(path) == path.name
        objects.add_files(file for file in files if file.exists())
        assert all(objects.has(hashlib.sha256(b"ramp" * n).hexdigest(), 4 * n) for n in range(3))
    assert step > 5


def shown(mirror: Path, rows: list[Entry]) -> dict[str, bytes]:
    """What current/ shows of rows."""
    return {entry.path: Objects(mirror).path(entry.sha256).read_bytes() for entry in rows}


def sh(mirror: Path, block: str) -> subprocess.CompletedProcess:
    """Run a block of docs/store.md in the mirror's folder."""
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    script = page.split(f"```sh {block}\n")[1].split("```")[0]
    return subprocess.run(["sh", "-c", script], cwd=mirror, capture_output=True, text=True)


def test_sha256sum_alone_checks_objects(mirror):
    """The line in docs/store.md accepts a sound store, and names a decayed object."""
    entry = store_row(mirror, "a", b"1")
    Generations(mirror).publish([entry], "one", {})
    sound = sh(mirror, "check-objects")
    overwrite(Objects(mirror).path(entry.sha256), b"2")

    decayed = sh(mirror, "check-objects")

    assert (sound.returncode, sound.stdout) == (0, "")
    assert decayed.returncode != 0
    assert f"{entry.sha256}: FAILED" in decayed.stdout


@pytest.mark.parametrize(
    ("name", "told"), [("generation.json", "parent"), ("manifest.parquet", "manifest")]
)
def test_sha256sum_alone_checks_the_chain(mirror, name, told):
    """The lines in docs/store.md accept a sound chain, and name the generation that was edited."""
    for data in (b"1", b"2", b"3"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})
    sound = sh(mirror, "check-generations")
    record = mirror / "generations/000002" / name
    overwrite(record, record.read_bytes().replace(b"u", b"U"))

    edited = sh(mirror, "check-generations")

    assert (sound.returncode, sound.stdout) == (0, "")
    assert edited.returncode != 0
    assert f"{told} differs" in edited.stdout
