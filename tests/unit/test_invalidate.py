"""Results that are invalidated: not recalled, computed again when needed, and listed."""

from dataclasses import replace

import pytest

from jwmirror.core.errors import ConfigError, LockedError, StoreError
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.ramps import ramp_derivation
from jwmirror.services.maintain.invalidate import invalidate_results
from jwmirror.services.run.results import ResultStore
from jwmirror.store.lock import RUN_LOCK, acquire_lock
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, SmallMirror, image_writer, made_from

FLAT, RATE = "jwst_nircam_flat_0002.fits", f"{EXPOSURE}_rate.fits"


@pytest.fixture
def flats(small_mirror: SmallMirror) -> SmallMirror:
    """A mirror with a result of one flat, which a second generation shows beside the others."""
    image2 = replace(made_from("image2", EXPOSURE, RATE), references={"flat": (FLAT, "ab" * 20)})
    small_mirror.make(image2, f"{EXPOSURE}_cal.fits", image_writer(4.0))
    path = f"recalibrated/deep/jw01345/o001/{EXPOSURE}_cal.fits"
    row = replace(small_mirror.rows[path], result=f"image2/{EXPOSURE}")
    small_mirror.rows[path] = row
    small_mirror.publish()
    return small_mirror


def record_of(mirror: SmallMirror, pipeline: str) -> ProvenanceRecord:
    """The record of the one result of a pipeline."""
    records = Provenance(mirror.root).all()
    return next(record for record in records if record.derivation.pipeline == pipeline)


def test_what_was_made_with_a_reference_is_not_recalled(flats):
    """It is listed with the generations that show it; other results are recalled as before."""
    other, made = record_of(flats, "detector1"), record_of(flats, "image2")

    report = invalidate_results(flats.root, references=[FLAT], because="wrong by 2 %")

    provenance = Provenance(flats.root)
    assert report.keys == (made.key,)
    assert [(each.result, each.generations) for each in report.published] == [
        (f"image2/{EXPOSURE}", (2,))
    ]
    assert provenance.recall(made.key) is None
    assert provenance.recall(other.key) == other
    assert provenance.invalidation(made.key).because == "wrong by 2 %"
    assert provenance.read(made.key) == made


def test_a_result_computed_again_replaces_the_record_and_counts(flats, tmp_path):
    """The key names the new bytes from then on."""
    made = record_of(flats, "image2")
    invalidate_results(flats.root, references=[FLAT])
    sha256, size = flats.take(image_writer(5.0))
    new = replace(made, files=(replace(made.files[0], sha256=sha256, size=size),))

    recorded = Provenance(flats.root).record_once(new)

    assert recorded == new != made
    assert Provenance(flats.root).recall(made.key) == new
    assert ResultStore(flats.root).invalidation(made.key) is None


def test_a_dry_run_marks_nothing(flats):
    """It says what would be marked."""
    made = record_of(flats, "image2")

    report = invalidate_results(flats.root, references=[FLAT], dry_run=True)

    assert report.keys == (made.key,)
    assert Provenance(flats.root).recall(made.key) == made


@pytest.mark.parametrize(
    "name", [RATE, f"mirror/current/recalibrated/deep/jw01345/o001/{RATE}", ""]
)
def test_a_result_is_named_by_its_file_or_its_key(flats, name):
    """Its ramp is marked with it: the next run would start from it."""
    made = record_of(flats, "detector1")
    ramp = ramp_derivation(made.derivation)
    Provenance(flats.root).record_once(replace(made, key=key_of(ramp), derivation=ramp))

    report = invalidate_results(flats.root, results=[name or made.key[:8]])

    assert set(report.keys) == {made.key, key_of(ramp)}


def test_a_beginning_of_several_keys_is_refused(flats):
    """They are listed, and nothing is marked."""
    made = record_of(flats, "detector1")
    keys = [made.key[:8] + digit * 56 for digit in "ef"]
    for key in keys:
        Provenance(flats.root).record_once(replace(made, key=key))

    with pytest.raises(StoreError, match=f"{keys[0]}, {keys[1]}; nothing was done"):
        invalidate_results(flats.root, results=[made.key[:8]])

    assert not (flats.root / "invalidated").exists()
    assert invalidate_results(flats.root, results=[keys[0]]).keys == (keys[0],)


def test_all_results_of_a_recipe_or_of_a_version_are_meant(flats):
    """Criteria add up; engine and other packages count alike."""
    made = record_of(flats, "detector1")
    jwst = made.derivation.engine["jwst"]

    of_recipe = invalidate_results(flats.root, recipes=["deep"], dry_run=True)
    of_version = invalidate_results(flats.root, software=[f"jwst={jwst}"], dry_run=True)

    assert set(of_recipe.keys) == set(of_version.keys)
    assert len(of_recipe.keys) == 3


@pytest.mark.parametrize(
    ("criteria", "error", "words"),
    [
        ({}, ConfigError, "say which results"),
        ({"software": ["numpy"]}, ConfigError, "expected NAME=VERSION"),
        ({"software": ["numpy=0.1"]}, StoreError, "software numpy=0.1: expected results"),
        ({"references": ["none.fits", FLAT]}, StoreError, "reference none.fits: expected results"),
        ({"recipes": ["dep"]}, StoreError, "recipe dep: expected results"),
        ({"results": ["rate.fits"]}, StoreError, "did you mean|shows all files"),
    ],
)
def test_criteria_that_mean_nothing_are_refused(flats, criteria, error, words):
    """Nothing is marked, also not what another criterion means."""
    with pytest.raises(error, match=words):
        invalidate_results(flats.root, **criteria)

    assert not (flats.root / "invalidated").exists()


def test_a_run_that_works_on_the_mirror_is_not_disturbed(flats):
    """It might record a result of before the mark after it."""
    lock = acquire_lock(flats.root, "a run", name=RUN_LOCK)

    with pytest.raises(LockedError):
        invalidate_results(flats.root, references=[FLAT])
    lock.release()

    assert Provenance(flats.root).recall(record_of(flats, "image2").key)


def test_the_command_lists_what_it_marks(flats):
    """For people, and as JSON."""
    words = ["invalidate", "--reference", FLAT, "--because", "wrong", "--mirror", flats.root]

    would = run(*words, "--dry-run")
    done = answer(*words, "--json")

    assert "1 result would be invalidated" in would
    assert f"deep: image2/{EXPOSURE}  [generation 2]" in would
    assert done["because"] == "wrong" and len(done["keys"]) == 1
