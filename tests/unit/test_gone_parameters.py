"""Parameters that jwst dropped: the successor is named; exported files may still have them."""

import pytest

from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.checks import parameter_mistakes
from jwmirror.pipeline.parameters.gone import GONE, WHOLE
from jwmirror.pipeline.parameters.resolution import spec_of
from jwmirror.services.configure.check import check_config

OLD = """
name = "Image3Pipeline"
class = "jwst.pipeline.Image3Pipeline"
    [steps]
      [[resample]]
        pixfrac = 0.5
        allowed_memory = {memory}
      [[outlier_detection]]
        nlow = 0
        scale_detection = False
"""
OLD_SPEC2 = """
name = "Spec2Pipeline"
class = "jwst.pipeline.Spec2Pipeline"
    [steps]
      [[nsclean]]
        n_sigma = 3.0
        skip = {skip}
"""


def pipelines_with(step: str) -> list[str]:
    """The pipelines that have a step, or that had one which has gone."""
    if not step:
        return ["tso3"]
    return registry.pipelines_with_step(step) or ["spec2"]


@pytest.mark.parametrize(("step", "name"), GONE)
def test_a_parameter_that_has_gone_is_named_with_its_last_version_and_advice(step, name):
    """In each pipeline that has its step, and never as a name that may be misspelt."""
    gone = GONE[step, name]
    content = {step: {name or "skip": False}} if step else {name: False}

    for pipeline in pipelines_with(step):
        (line,) = parameter_mistakes({pipeline: content}, "here")

        assert f"jwst {gone.last} was the last version with {name or step}" in line
        assert gone.advice in line and "unknown" not in line


def test_no_parameter_in_the_table_exists_in_the_installed_jwst():
    """Else its message would never be printed."""
    specs = {pipeline: spec_of(pipeline) for pipeline in registry.PIPELINES}

    for step, name in GONE:
        for spec in specs.values():
            content = spec["steps"].get(step, {}) if step else spec
            assert (step not in spec["steps"]) if name == WHOLE else (name not in content)


def test_the_case_of_three_names_is_a_mistake_for_each(tmp_path):
    """A whole step, an override and a limit of memory."""
    (tmp_path / "config.yaml").write_text(
        """
programs: [{program: 1346}]
recipes:
  r: {stages: [2], parameters: {spec2: {nsclean: {skip: false}}}}
  s:
    stages: [3]
    parameters:
      tso3: {tso_photometry: {override_tsophot: N/A}}
      image3: {resample: {allowed_memory: 0.5}}
"""
    )

    checked = check_config(tmp_path / "config.yaml")

    nsclean, photometry, memory = checked.mistakes  # by line
    assert "clean_flicker_noise" in nsclean and "1.20.2" in nsclean
    for equal in ("fit_method: fft", "background_method: null", "n_sigma: 5.0"):
        assert equal in nsclean
    assert "mask_science_regions: true" in nsclean and "single_mask: false" in nsclean
    assert "1.16.1" in memory and "1.18.1" in photometry


@pytest.mark.parametrize(
    ("pipeline", "text", "names"),
    [
        ("image3", OLD.format(memory="None"), ["allowed_memory", "nlow", "scale_detection"]),
        ("spec2", OLD_SPEC2.format(skip="True"), ["nsclean.n_sigma", "nsclean.skip"]),
    ],
)
def test_an_exported_file_may_have_names_that_had_no_effect(tmp_path, pipeline, text, names):
    """They had their default, or their step was skipped; a note names them."""
    (tmp_path / "old.cfg").write_text(text)
    (tmp_path / "config.yaml").write_text(
        "programs: [{program: 1346}]\n"
        f"recipes: {{r: {{parameters: {{{pipeline}: {tmp_path}/old.cfg}}}}}}\n"
    )

    checked = check_config(tmp_path / "config.yaml")

    assert checked.mistakes == ()
    (note,) = [note for note in checked.notes if "left out" in note]
    assert all(name in note for name in names)


@pytest.mark.parametrize(
    ("pipeline", "text", "message"),
    [
        ("image3", OLD.format(memory="0.5"), "jwst 1.16.1 was the last version"),
        ("spec2", OLD_SPEC2.format(skip="False"), "write clean_flicker_noise"),
    ],
)
def test_an_exported_name_that_had_an_effect_is_a_mistake(tmp_path, pipeline, text, message):
    """What was asked for cannot be done."""
    (tmp_path / "old.cfg").write_text(text)
    (tmp_path / "config.yaml").write_text(
        "programs: [{program: 1346}]\n"
        f"recipes: {{r: {{parameters: {{{pipeline}: {tmp_path}/old.cfg}}}}}}\n"
    )

    (line,) = [line for line in check_config(tmp_path / "config.yaml").mistakes if message in line]

    assert "old.cfg" in line
