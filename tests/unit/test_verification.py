"""Verification: a sound mirror has no problem, and each kind of damage is told with its place."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from jwmirror.store.generations import Generations
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
