"""Workers: exposures through the real pipelines, provably made as they were planned."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from astropy.table import Table

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import canonical
from jwmirror.core.model.plan import JobLimits
from jwmirror.crds.cache import CacheHashes
from jwmirror.engine import stage
from jwmirror.engine.batch import ChainRunner, calibrate
from jwmirror.engine.forkserver import StageOutcome
from jwmirror.engine.stage import check_products, run_stage
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.engine_content import engine_code
from jwmirror.planning.inputs import available_files
from jwmirror.planning.levels import AssociationLevel
from jwmirror.planning.plan import plan_associations
from jwmirror.planning.single_steps import plan_steps
from jwmirror_simulator.telescope.exposures import POINTING_ERROR
from tests.setup import records
from tests.setup.calibration import (  # noqa: F401
    DEEP,
    MOSAIC,
    ROOT,
    SCRIPT,
    FolderResults,
    files_of,
    folder,
    observed,
)
from tests.setup.plans import chains

STEP = "image3.source_catalog"


def test_two_exposures_become_a_mosaic_that_is_remembered(folder):
    """Stages 1 to 3 as the recipe says, one job each; a second time nothing is computed.

    Catalogues that a step writes as FITS, without ASDF, belong to the result.
    """
    catalogues = {"tweakreg": {"save_catalogs": True, "catalog_format": "fits"}}
    steps = {"source_catalog": {"snr_threshold": 9}, **catalogues}
    recipe = replace(DEEP, parameters={"image3": steps})
    exposures = folder.plan(recipe)
    first = folder.calibrate(exposures)
    builder = folder.builder(available_files(folder.entries, first.results))
    plan_associations(builder, folder.associations, [recipe], AssociationLevel(3))
    mosaic = chains(builder.build(JobLimits()))

    second = folder.calibrate(mosaic)
    again = folder.calibrate([*exposures, *mosaic])

    assert first.failures == second.failures == ()
    assert len(first.computed) == 4
    made = files_of(folder, second)
    assert {f"{MOSAIC}_i2d.fits", f"{MOSAIC}_cat.ecsv", f"{MOSAIC}_segm.fits"} <= set(made)
    assert sum(name.endswith("_cal_cat.fits") for name in made) == 2
    assert len(Table.read(made[f"{MOSAIC}_cat.ecsv"], format="ascii.ecsv")) > 20
    measured = folder.store.measured[second.computed[0]]
    assert measured.steps["tweakreg"] == "COMPLETE" and measured.fallbacks == ()
    shifts = sorted(member["shift"] for member in measured.members.values())
    assert shifts == pytest.approx([0, 1000 * POINTING_ERROR], abs=3)  # mas
    assert measured.files.keys() == made.keys()
    assert again.computed == ()
    assert len(again.results) == 5
    assert list((folder.root / "work").iterdir()) == []
    assert all(cost.peak_memory > 1e8 and cost.seconds > 0.1 for cost in folder.store.costs)
    assert sorted(each.peak_memory for each in first.spent) == sorted(
        cost.peak_memory for cost in folder.store.costs[:4]
    )
    assert {each.product for each in first.spent} == {result.product for result in first.results}
    assert again.spent == ()
    _check_the_catalogue_made_again(folder, recipe, second)


def _check_the_catalogue_made_again(folder, recipe, mosaic):
    """A step that is run alone gives what it gave in its pipeline, and other parameters another."""
    same = replace(recipe, name="same", stages=(), steps=(STEP,), products_of="deep")
    bright = {"image3": {"source_catalog": {"snr_threshold": 300}}}
    builder = folder.builder(available_files(folder.entries, mosaic.results))
    recipes = [same, replace(same, name="bright", parameters=bright)]
    plan_steps(builder, folder.associations, recipes, mosaic.results)

    receipts = [folder.calibrate([chain]) for chain in chains(builder.build(JobLimits()))]

    assert [each.failures for each in receipts] == [(), ()]
    catalogues = [files_of(folder, each) for each in (mosaic, *receipts)]
    before, again, fewer = (
        Table.read(files[f"{MOSAIC}_cat.ecsv"], format="ascii.ecsv") for files in catalogues
    )
    assert set(catalogues[1]) == {f"{MOSAIC}_cat.ecsv", f"{MOSAIC}_segm.fits"}
    assert str(again.pformat(-1, -1)) == str(before.pformat(-1, -1))
    assert 0 < len(fewer) < len(again)


def test_an_equal_rate_makes_no_new_cal(folder):
    """A parameter that leaves no trace in the pixels ends at stage 1; the way back is known."""
    idle = {"detector1": {"jump": {"time_masked_after_shower": 20.0}}}  # showers are not sought
    (plain,) = folder.plan(count=1)
    first = folder.calibrate([plain])
    (changed,) = folder.plan(replace(DEEP, parameters=idle), count=1)

    again = folder.calibrate([changed])

    rate, cal = changed.derivations
    assert again.computed == (key_of(rate),) and key_of(rate) not in first.computed
    assert [result.key for result in again.results][1] == [r.key for r in first.results][1]
    assert (cal.pipeline, folder.plan(count=1)) == ("image2", [])


def test_a_result_under_the_key_of_an_earlier_form_is_not_computed_again(tmp_path):
    """It became known only when the stage before was computed, so the plan could not see it."""
    store, former = FolderResults(tmp_path), {"steps": {"jump": {"maximum_cores": None}}}
    made = records.derivation(parameters={"steps": {}})
    earlier = replace(made, parameters=former)
    store.results[key_of(earlier)] = (records.result_file("x_rate.fits"),)

    chain = records.chain(made, former={"detector1": former})
    receipt = calibrate([chain], store, 1, tmp_path / "work", tmp_path / "logs", 10.0)

    assert (receipt.computed, receipt.failures) == ((), ())
    assert [result.key for result in receipt.results] == [key_of(earlier)]


def test_a_script_without_guard_is_run_once(folder):
    """Snakemake's scripts are top-level code; the workers never import them again."""
    chain = folder.with_hook(folder.plan(count=1)[0], "fail")
    (folder.root / "chain.json").write_text(canonical(chain))
    script = folder.root / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))

    done = subprocess.run(
        [sys.executable, script], cwd=folder.root, capture_output=True, text=True, check=True
    )

    assert (folder.root / "ran").read_text() == "once "
    assert "no groups left" in done.stdout


def test_two_recipes_with_one_key_compute_it_once(folder):
    """Equal derivations of one exposure follow each other."""
    (chain,) = folder.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = folder.calibrate([chain, replace(chain, recipe="quick")])

    assert len(receipt.computed) == 1
    assert [result.recipe for result in receipt.results] == ["deep", "quick"]


def test_other_references_than_in_the_key_are_found(folder, tmp_path):
    """A result whose header names another flat than the derivation is not accepted."""
    (chain,) = folder.plan(count=1)
    image2 = chain.derivations[1]
    from stdatamodels.jwst import datamodels

    with datamodels.ImageModel((4, 4)) as model:
        model.meta.ref_file.flat.name = "crds://jwst_nircam_flat_9999.fits"
        model.save(tmp_path / "x_cal.fits")

    with pytest.raises(CalibrationError, match=r"flat: expected jwst_nircam_flat_\d+.*_9999"):
        check_products(image2, [tmp_path / "x_cal.fits"])


def made_by(tmp_path, **files):
    """Return files of image2: `model` by jwst's data models, `table` as astropy writes one."""
    from stdatamodels.jwst import datamodels

    paths = [tmp_path / f"x_{suffix}.fits" for suffix in files]
    for path, kind in zip(paths, files.values(), strict=True):
        if kind == "model":
            datamodels.ImageModel((4, 4)).save(path)
        else:
            Table({"column": [1.0]}).write(path)
    return paths


def test_a_file_beside_the_product_needs_no_asdf(tmp_path):
    """A step or a hook may write further FITS files; metadata is that of the product."""
    made = made_by(tmp_path, cal="model", interpolatedflat="table", qa="table")

    products = check_products(records.derivation("image2"), made)

    assert products.keys() == {"x_cal.fits"}


@pytest.mark.parametrize("files", [{"cal": "table", "i2d": "model"}, {"qa": "table"}])
def test_a_product_without_asdf_is_refused(tmp_path, files):
    """What the pipeline is run for must be a file of jwst's data models."""
    made = made_by(tmp_path, **files)

    with pytest.raises(CalibrationError, match=f"x_{next(iter(files))}.fits: expected a file of"):
        check_products(records.derivation("image2"), made)


def flip_silently(path):
    """Change a byte of a file under the same size and mtime."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_reference_with_wrong_bytes_is_not_used(folder, tmp_path):
    """Nothing runs with it, nothing is stored; the failure names it, and the next step."""
    chains = folder.plan(count=1)
    name, sha1 = chains[0].derivations[0].references["dark"]
    shutil.copytree(folder.cache, tmp_path / "cache")
    hashes = CacheHashes(tmp_path / "cache")
    assert hashes.sha1_of(name) == sha1
    flip_silently(tmp_path / "cache" / "references" / "jwst" / "nircam" / name)

    receipt = folder.calibrate(chains, reference_sha1=hashes.sha1_of)

    (failure,) = receipt.failures
    assert re.search(
        rf"{name}: expected sha1 {sha1}, found \w{{40}}.*verify --repair", failure.message
    )
    assert receipt.results == receipt.spent == ()


def test_a_result_is_not_stored_if_a_reference_changed_meanwhile(folder, monkeypatch):
    """The stage may have read either content."""
    chains = folder.plan(count=1)
    shas = dict(chains[0].derivations[0].references.values())

    def run_stage(*_):
        shas.update(dict.fromkeys(shas, "0" * 40))
        return StageOutcome(number=1, kind="done")

    monkeypatch.setattr(ChainRunner, "_run_stage", run_stage)

    receipt = folder.calibrate(chains, reference_sha1=shas.get)

    assert "expected sha1" in receipt.failures[0].message
    assert receipt.results == ()


def test_another_engine_than_in_the_key_does_not_run(folder):
    """Planned before an upgrade, run after it: the result would not be what its key says."""
    (chain,) = folder.plan(count=1)
    older = replace(chain.derivations[0], engine={"jwst": "1.20.2"})

    with pytest.raises(CalibrationError, match=r"planned for .*1\.20\.2"):
        run_stage(older, folder.root, folder.root)


def test_code_that_was_edited_since_it_was_imported_is_not_run(folder, monkeypatch):
    """The key names one or the other; the result could be of both."""
    (chain,) = folder.plan(count=1)
    edited = {name: replace(code, modified="by hand") for name, code in engine_code().items()}
    monkeypatch.setattr(stage, "engine_code", lambda: edited)

    with pytest.raises(CalibrationError, match=r"installed is .*modified"):
        run_stage(chain.derivations[0], folder.root, folder.root)


def test_a_stage_that_made_nothing_is_no_success(folder):
    """A pipeline that ends well without a file has failed."""
    (chain,) = folder.plan(count=1)

    with pytest.raises(CalibrationError, match="made no file"):
        check_products(chain.derivations[0], [])


def test_a_step_that_fails_is_recorded_with_its_message(folder):
    """The 1/f correction refuses this method for imaging; the rate is made without it."""
    failing = {"detector1": {"clean_flicker_noise": {"skip": False, "fit_method": "fft"}}}
    (chain,) = folder.plan(replace(DEEP, stages=(1,), parameters=failing), count=1)

    receipt = folder.calibrate([chain])

    assert receipt.failures == ()
    (measured,) = folder.store.measured.values()
    assert measured.steps["clean_flicker_noise"] == "FAILED"
    assert "SKIPPED" not in measured.steps.values()  # nothing that was wanted
    (fallback,) = measured.fallbacks
    assert fallback.step == "clean_flicker_noise"
    assert fallback.message == "Fit method 'fft' cannot be applied to exp_type NRC_IMAGE"
