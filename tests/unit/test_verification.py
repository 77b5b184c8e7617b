"""Verification: a sound mirror has no problem, and each kind of damage is told with its place."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from jwmirror.core.files import sha256_of
from jwmirror.store.generations import Generations
from jwmirror.store.losses import Loss, record_loss
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin
from tests.setup.mirrors import overwrite, store_row

FIRST = "upstream/jw01345/o001"


@pytest.fixture(autouse=True)
def three_generations(mirror: Path) -> None:
    """A mirror of three generations, the first of them pinned."""
    for data in (b"one", b"two", b"three"):
        Generations(mirror).publish(
            [store_row(mirror, "a", data), store_row(mirror, "b", b"same")], "run", {}
        )
    add_pin(mirror, "start", 1)


def place(mirror: Path, number: int) -> Path:
    """The object of the changing row of a generation."""
    return Objects(mirror).path(Generations(mirror).read(number).entries()[0].sha256)


@pytest.mark.parametrize("full", [False, True])
def test_a_sound_mirror_has_no_problem(mirror, full):
    """All generations and every object were looked at, and nothing is wrong."""
    found = verify(mirror, full)

    assert found.problems == ()
    assert (found.generations, found.objects, found.bytes) == (3, 4, 3 + 3 + 5 + 4)


@pytest.mark.parametrize("full", [False, True])
def test_a_mirror_that_was_never_filled_has_no_problem(tmp_path, full):
    """There is nothing that could be wrong."""
    assert verify(tmp_path / "none", full).problems == ()


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "lost object": ("object", lambda m: place(m, 1).unlink()),
    "short object": ("object", lambda m: overwrite(place(m, 1), b"on")),
    "edited manifest": (
        "manifest",
        lambda m: overwrite(m / "generations/000002/manifest.parquet", b""),
    ),
    "lost manifest": ("manifest", lambda m: (m / "generations/000002/manifest.parquet").unlink()),
    "edited record": (
        "generation",
        lambda m: overwrite(
            m / "generations/000001/generation.json",
            (m / "generations/000001/generation.json").read_bytes().replace(b"run", b"ran"),
        ),
    ),
    "lost record": ("generation", lambda m: (m / "generations/000001/generation.json").unlink()),
    "pointer to nothing": ("pointer", lambda m: (m / "CURRENT").write_text("9\n")),
    "lost pointer": ("pointer", lambda m: (m / "CURRENT").unlink()),
    "lost link": ("pointer", lambda m: (m / "current").unlink()),
    "lost view": ("view", lambda m: (m / "views/000003").rename(m / "views/.gone")),
    "lost row": ("view", lambda m: (m / f"current/{FIRST}/a").unlink()),
    "other file": ("view", lambda m: (m / f"current/{FIRST}/mine.txt").write_text("mine")),
    "pin of nothing": ("pin", lambda m: (m / "generations/000001").rename(m / "generations/.x")),
    "torn pin": ("pin", lambda m: (m / "pins/start.json").write_text("{")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_kind_of_damage_is_told(mirror, damage):
    """A quick look finds it, and says which kind of thing is damaged."""
    kind, do = DAMAGES[damage]
    do(mirror)

    problems = verify(mirror).problems

    assert kind in {problem.kind for problem in problems}
    assert all(problem.expected != problem.found for problem in problems)


def test_a_decayed_object_is_found_by_its_bytes(mirror):
    """One flipped bit leaves the length as it is; only a full look finds it, in any generation."""
    path = place(mirror, 1)
    overwrite(path, b"oNe")

    quick, full = verify(mirror), verify(mirror, full=True)

    assert quick.problems == ()
    (problem,) = full.problems
    assert (problem.kind, problem.expected) == ("object", path.name)
    assert problem.path == str(path.relative_to(mirror))


def test_a_thousand_random_flips_are_all_found(tmp_path):
    """Of a thousand objects with one bit flipped each, none is missed, and no other is named."""
    chance, objects = random.Random(7), Objects(tmp_path)
    files = [objects.incoming / str(number) for number in range(1200)]
    for file in files:
        file.write_bytes(chance.randbytes(chance.randrange(1, 3000)))
    names = objects.add_files(files)
    flipped = chance.sample(names, 1000)
    for name in flipped:
        data = bytearray(objects.path(name).read_bytes())
        bit = chance.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        overwrite(objects.path(name), bytes(data))

    problems = verify(tmp_path, full=True).problems

    assert sorted(each.expected for each in problems) == sorted(flipped)


def test_an_object_that_no_generation_names_is_hashed_as_well(mirror):
    """What was fetched and is not published yet must be right, too."""
    stray = store_row(mirror, "stray", b"stray")
    overwrite(Objects(mirror).path(stray.sha256), b"strAy")

    assert [each.expected for each in verify(mirror, full=True).problems] == [stray.sha256]


def test_a_link_to_another_object_is_told(mirror):
    """A row of the view that shows other bytes than the manifest says."""
    link = mirror / "views/000003" / FIRST / "a"
    target = os.readlink(link.with_name("b"))
    link.unlink()
    link.symlink_to(target)

    (problem,) = verify(mirror).problems

    assert (problem.kind, problem.path) == ("view", f"views/000003/{FIRST}/a")
    assert problem.found == target


def test_the_time_of_a_folder_tells_whether_the_quick_look_reads_it(mirror):
    """A link replaced behind a folder's time is seen by the full look; a new time shows it."""
    folder = mirror / "views/000003" / FIRST
    built = folder.stat()
    target = os.readlink(folder / "b")
    (folder / "a").unlink()
    (folder / "a").symlink_to(target)
    seen = verify(mirror).problems
    os.utime(folder, ns=(built.st_atime_ns, built.st_mtime_ns))

    quick, full = verify(mirror).problems, verify(mirror, full=True).problems

    assert quick == ()
    assert (
        [each.path for each in full] == [each.path for each in seen] == [f"views/000003/{FIRST}/a"]
    )


def test_a_view_whose_folders_have_other_times_is_read_link_by_link(mirror):
    """A copy that kept no times has no problem for that."""
    for folder in (mirror / "views").rglob("*"):
        if folder.is_dir():
            os.utime(folder)

    assert verify(mirror).problems == ()


def test_no_view_is_made_of_one_that_was_touched(mirror):
    """What was changed in a view by hand does not come back under the name of another."""
    link = mirror / "views/000002" / FIRST / "b"
    link.unlink()
    link.symlink_to("elsewhere")

    rows = [store_row(mirror, "a", b"four"), store_row(mirror, "b", b"same")]
    Generations(mirror).publish(rows, "run", {})

    assert verify(mirror, full=True).problems == ()
    assert (mirror / "current" / FIRST / "b").read_bytes() == b"same"


# ---- what exactly is told ------------------------------------------------------------------------


def told(mirror: Path, full: bool = False) -> set[tuple[str, str, str, str]]:
    """The problems as (kind, path, expected, found)."""
    return {(p.kind, p.path, p.expected, p.found) for p in verify(mirror, full).problems}


def test_a_report_says_what_was_looked_at(mirror, tmp_path):
    """With its extent, and its problems in order."""
    assert (verify(mirror).is_full, verify(mirror, full=True).is_full) == (False, True)
    assert verify(mirror).mirror == str(mirror)
    for number in (2, 1):
        place(mirror, number).unlink()

    problems = verify(mirror).problems

    assert problems == tuple(sorted(problems)) and len(problems) == 2


@pytest.mark.parametrize("full", [False, True])
def test_an_object_that_is_missing_or_of_another_kind_is_told(mirror, full):
    """With its length; a folder in its place is no object."""
    one, two, three = (place(mirror, number) for number in (1, 2, 3))
    one.unlink()
    overwrite(two, b"tw")
    three.unlink()
    three.mkdir()

    problems = {(path.rpartition("/")[2], e, f) for _, path, e, f in told(mirror, full)}

    assert (one.name, "3 bytes", "nothing") in problems
    assert (two.name, "3 bytes", "2 bytes") in problems
    assert (three.name, "5 bytes", "no regular file") in problems
    paths = {path for kind, path, _, _ in told(mirror, full) if kind == "object"}
    assert paths == {str(each.relative_to(mirror)) for each in (one, two, three)}


@pytest.mark.parametrize("name", ["1.old", ".snapshot", "²"])
def test_folders_that_are_no_generations_are_left_alone(mirror, name):
    """Such as a copy that the user has made; it was a traceback."""
    (mirror / "generations" / name).mkdir()

    assert verify(mirror).problems == ()


def test_an_object_that_is_lost_is_told_with_the_reason(mirror):
    """As `repair` recorded it."""
    row = Generations(mirror).entries()[0]
    loss = Loss(sha256=row.sha256, size=5, path=row.path, why="no longer listed", found_at="")
    record_loss(mirror, loss)
    place(mirror, 3).unlink()

    ((_, _, _, found),) = told(mirror)

    assert found == f"nothing; lost: {row.path}: no longer listed"


def test_an_object_that_cannot_be_read_is_told_with_the_error_of_the_disk(mirror, monkeypatch):
    """A missing one is nothing."""
    errors = [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")]
    monkeypatch.setattr(
        "jwmirror.store.maintenance.verify.hash_files",
        lambda paths: zip(sorted(paths), errors, strict=False),
    )

    found = {f for kind, _, e, f in told(mirror, full=True) if len(e) == 64}

    assert found == {"Permission denied", "nothing"}


def test_a_pin_of_nothing_and_one_that_cannot_be_read_are_told(mirror):
    """By their paths."""
    (mirror / "generations/000001").rename(mirror / "generations/.x")
    assert ("pin", "pins/start.json", "generation 1", "nothing") in told(mirror)

    (mirror / "pins/start.json").write_text("{")
    (pin,) = (problem for problem in told(mirror) if problem[0] == "pin")
    assert pin[:3] == ("pin", "pins", "pins that can be read")


def test_pointers_that_name_another_generation_are_told(mirror):
    """`current` shows one, CURRENT names another; or CURRENT a pruned one."""
    (mirror / "CURRENT").write_text("2\n")
    assert told(mirror) == {("pointer", "current", "views/000002", "views/000003")}

    (mirror / "CURRENT").write_text("3\n")
    (mirror / "current").unlink()
    assert told(mirror) == {("pointer", "current", "views/000003", "nothing")}


def test_a_lost_pointer_is_told(mirror):
    """Unless nothing was published, or only one generation whose publisher died."""
    (mirror / "CURRENT").unlink()
    expected = ("pointer", "CURRENT", "the number of a generation", "nothing")
    assert told(mirror) == {expected}

    (mirror / "current").unlink()
    assert told(mirror) == {expected}


def test_a_generation_that_was_never_current_is_no_problem(tmp_path):
    """Its publisher died before it wrote CURRENT; `current` shows nothing yet."""
    mirror = tmp_path / "young"
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "run", {})
    (mirror / "CURRENT").unlink()
    assert [problem[0] for problem in told(mirror)] == ["pointer"]

    (mirror / "current").unlink()
    assert told(mirror) == set()


def test_a_pointer_to_a_pruned_generation_is_told(mirror):
    """Its rows are not known any more."""
    prune(mirror, RetentionPolicy(keep_last=1))
    (mirror / "CURRENT").write_text("2\n")

    problems = told(mirror)

    assert ("pointer", "CURRENT", "an unpruned generation", "generation 2, pruned") in problems


def test_links_that_are_missing_wrong_or_not_of_the_view_are_told(mirror):
    """Each with the target that it should have; unknown folders are looked into."""
    view = mirror / "current" / FIRST
    target = os.readlink(view / "a")
    (view / "a").unlink()
    (view / "b").unlink()
    (view / "b").symlink_to("elsewhere")
    (view / "new").mkdir()
    (view / "new/mine").write_text("mine")
    (view / "new/link").symlink_to("nowhere")
    (mirror / "current/top").write_text("mine")

    problems = {(path.removeprefix("views/000003/"), e, f) for _, path, e, f in told(mirror)}

    b = Generations(mirror).entries()[1].sha256
    assert problems == {
        (f"{FIRST}/a", target, "nothing"),
        (f"{FIRST}/b", f"../../../../../objects/{b[:2]}/{b}", "elsewhere"),
        (f"{FIRST}/new/mine", "nothing", "a file"),
        (f"{FIRST}/new/link", "nothing", "nowhere"),
        ("top", "nothing", "a file"),
    }


def test_only_a_full_look_reads_other_views_than_the_current_one(mirror):
    """And records of results."""
    (mirror / "views/000002" / FIRST / "a").unlink()
    (mirror / "provenance").mkdir()
    (mirror / "provenance/ab.json").write_text("{")

    assert told(mirror) == set()
    assert {problem[:2] for problem in told(mirror, full=True)} == {
        ("view", f"views/000002/{FIRST}/a"),
        ("provenance", "provenance/ab.json"),
    }


def test_a_changed_generation_is_told_by_what_was_published(mirror):
    """Its record by its child, its manifest by its record, and its number by its folder."""
    head = mirror / "generations/000001/generation.json"
    expected = sha256_of(head)
    overwrite(head, head.read_bytes().replace(b"run", b"ran"))
    manifest = mirror / "generations/000002/manifest.parquet"
    sums = sha256_of(manifest)
    manifest.unlink()
    (mirror / "generations/000003").rename(mirror / "generations/000004")

    problems = told(mirror)

    assert ("generation", "generations/000001/generation.json", expected, sha256_of(head)) in (
        problems
    )
    assert ("manifest", "generations/000002/manifest.parquet", sums, "no file") in problems
    path = "generations/000004/generation.json"
    assert ("generation", path, "number 000004", "number 3") in problems


def test_a_lost_record_and_a_damaged_tombstone_are_told(mirror):
    """The others are read."""
    prune(mirror, RetentionPolicy(keep_last=1))
    tombstone = mirror / "generations/000002/pruned.json"
    overwrite(tombstone, b"{")
    (mirror / "generations/000001/generation.json").unlink()

    problems = {problem[:3] for problem in told(mirror)}

    assert ("generation", "generations/000002/pruned.json", "a tombstone") in problems
    path = "generations/000001/generation.json"
    assert ("generation", path, "the record of a generation") in problems
    assert verify(mirror).generations == 1
