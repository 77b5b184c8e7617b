"""What verify says of a damaged object: the files, recipes and generations that it affects."""

import pytest

from jwmirror.services.maintain.damage import affected_files
from jwmirror.services.maintain.verify import verify_mirror
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.objects import Objects
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, flip_bit, overwrite

UNCAL = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
RATE = f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"


@pytest.fixture
def two_generations(small_mirror):
    """The small mirror, and a generation after it that lacks the raw exposure."""
    rows = [each for each in Generations(small_mirror.root).entries() if each.path != UNCAL]
    Generations(small_mirror.root).publish(rows, "less", {})
    return small_mirror


def damage(mirror, path):
    """Change one bit of a file."""
    flip_bit(Objects(mirror.root).path(mirror.rows[path].sha256), 100)


def test_a_sound_mirror_reads_nothing(two_generations, monkeypatch):
    """The rows of the generations are of interest only if an object has a problem."""
    monkeypatch.setattr(Generations, "unpruned", None)

    assert affected_files(two_generations.root, ()) == ()


def test_a_damaged_raw_file_affects_what_was_made_from_it(two_generations):
    """Only the check that reads every byte finds it."""
    damage(two_generations, UNCAL)

    quick, full = (verify_mirror(two_generations.root, full) for full in (False, True))

    (found,) = full.affected
    assert (quick.problems, quick.affected) == ((), ())
    assert (found.object, found.path) == (full.problems[0].path, UNCAL)
    assert (found.recipe, found.generations, found.is_current) == ("", (1,), False)
    assert [(each.recipe, each.result) for each in found.results] == [
        ("deep", f"detector1/{EXPOSURE}")
    ]
    assert found.results[0].generations == (1, 2)


def test_a_damaged_result_names_its_recipe(two_generations):
    """And all generations that show it."""
    damage(two_generations, RATE)

    (found,) = verify_mirror(two_generations.root, full=True).affected

    assert (found.path, found.recipe, found.generations) == (RATE, "deep", (1, 2))
    assert (found.is_current, found.results) == (True, ())


def test_a_file_that_only_a_pruned_generation_had_is_named(two_generations):
    """Its newest version is kept."""
    prune(two_generations.root, RetentionPolicy(keep_last=1))
    damage(two_generations, UNCAL)

    (found,) = verify_mirror(two_generations.root, full=True).affected

    assert (found.path, found.generations, found.is_current) == (UNCAL, (), False)


def test_damaged_generations_and_records_hide_nothing_else(two_generations):
    """What can be read is named."""
    damage(two_generations, RATE)
    overwrite(two_generations.root / "generations/000001/manifest.parquet", b"")
    for path in (two_generations.root / "provenance").glob("*.json"):
        overwrite(path, b"{")

    found = verify_mirror(two_generations.root, full=True)

    assert [(each.path, each.generations) for each in found.affected] == [(RATE, (2,))]
    assert {"object", "manifest", "provenance"} <= {problem.kind for problem in found.problems}


def test_the_page_names_them_below_the_problem(two_generations):
    """So does the answer as JSON."""
    damage(two_generations, UNCAL)
    at = ("--mirror", two_generations.root)

    page = run("verify", "--full", *at, code=1)

    assert f"  affects {UNCAL} (from MAST; generations 1)" in page
    assert f"  from which was made deep: detector1/{EXPOSURE} (generations 1-2)" in page
    assert "no bytes were read; --full reads every byte" in run("verify", *at)
    assert answer("verify", "--full", *at, code=1)["affected"][0]["path"] == UNCAL
