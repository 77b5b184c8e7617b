"""Which pipeline takes what, held against what jwst itself knows."""

import pytest

from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.resolution import resolve


def test_every_type_of_exposure_that_jwst_knows_has_a_pipeline():
    """All values that the schema allows for EXP_TYPE."""
    from stdatamodels.jwst import datamodels

    exposure = datamodels.ImageModel().schema["properties"]["meta"]["properties"]["exposure"]
    known = set(exposure["properties"]["type"]["enum"]) - {"N/A", "ANY"}

    assert known <= registry.BY_EXPOSURE.keys()


def test_stage_2_goes_by_what_jwst_takes_for_images_and_for_spectra():
    """The rules of jwst and this mapping agree on which is which."""
    from jwst.lib import exposure_types

    found = {exp_type.lower(): names[-1] for exp_type, names in registry.BY_EXPOSURE.items()}

    assert {found[each] for each in exposure_types.IMAGING_TYPES} == {"image2"}
    assert {found[each] for each in exposure_types.SPEC_TYPES} == {"spec2"}


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
