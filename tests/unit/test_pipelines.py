"""Which pipeline takes what, held against what jwst itself knows."""

import pytest

from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.resolution import resolve


def test_every_type_of_exposure_that_jwst_knows_has_a_pipeline():
    """All values that the schema allows for EXP_TYPE."""
    from stdatamodels.jwst import datamodels

    exposure = datamodels.ImageModel().schema["properties"]["meta"]["properties"]["exposure"]
    known = set(exposure["properties"]["type"]["enum"]) - {"N/A", "ANY"}

    assert known == registry.pipelines_by_exposure().keys()


@pytest.mark.parametrize(
    ("exp_type", "pipelines"),
    [
        ("NRC_IMAGE", ("detector1", "image2")),
        ("nrs_taconfirm", ("detector1", "image2")),
        ("MIR_WFSS", ("detector1", "spec2")),
        ("NRC_GRISM", ("detector1",)),  # which assign_wcs of jwst does not know
        ("NRS_LAMP", ("detector1",)),
        ("MIR_DARKMRS", ("dark",)),
        ("FGS_ID-STACK", ("guider",)),
        ("N/A", ()),
        ("NRC_UNHEARD", ()),
    ],
)
def test_the_pipelines_of_a_type_of_exposure_are_those_of_jwst(exp_type, pipelines):
    """From its lists of images, spectra and guide star exposures; the others have stage 1 only."""
    assert registry.pipelines_of_exposure(exp_type) == pipelines


def test_a_type_that_a_later_jwst_takes_for_a_spectrum_has_stage_2(monkeypatch):
    """Without a change here."""
    from jwst.lib import exposure_types

    monkeypatch.setattr(exposure_types, "SPEC_TYPES", [*exposure_types.SPEC_TYPES, "nrs_new"])
    registry.pipelines_by_exposure.cache_clear()

    try:
        assert registry.pipelines_of_exposure("NRS_NEW") == ("detector1", "spec2")
    finally:
        registry.pipelines_by_exposure.cache_clear()


@pytest.mark.parametrize("pipeline", registry.PIPELINES)
def test_every_pipeline_resolves_with_its_steps_and_reference_types(pipeline):
    """Steps that consist of steps, too; nothing of it says where files go."""
    steps = resolve(pipeline, [{}]).parameters["steps"]
    types = {
        each
        for step in registry.pipeline_class(pipeline).step_defs.values()
        for each in registry.reference_types_of(step)
    }

    assert steps.keys() == registry.pipeline_class(pipeline).step_defs.keys()
    assert all(isinstance(each, str) for each in types)
    assert "output_dir" not in str(steps)


def test_parameters_reach_a_step_of_a_step():
    """The master background of multi-object spectra has a flat_field of its own."""
    asked = {"steps": {"master_background_mos": {"steps": {"photom": {"inverse": True}}}}}

    found = resolve("spec2", [asked]).parameters["steps"]["master_background_mos"]

    assert found["steps"]["photom"]["inverse"] is True


@pytest.mark.parametrize(
    ("filename", "stage"),
    [
        ("jw01345001001_02101_00001-seg001_nrcb1_rateints.fits", 1),
        ("jw01345001001_02101_00001_nrcb1_cal.fits", 2),
        ("jw01345001001_02101_00001_mirimage_x1d.fits", 2),
        ("jw01345-o001_t001_niriss_f115w_cat.ecsv", 3),
        ("jw01345-a3001_t001_nircam_clear-f200w_i2d.fits", 3),
    ],
)
def test_the_stage_that_makes_a_file_is_known_by_its_name(filename, stage):
    """Members of associations are of any stage."""
    assert registry.stage_that_makes(filename) == stage
