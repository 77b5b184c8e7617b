"""The settings of STScI's pipeline notebooks: accepted, ignored with a note, or mistakes."""

import pytest

from tests.notebooks.page import ACCEPTED, IGNORED, MISTAKE, PAGE, Outcome, outcomes, with_tables

SLIPS = {  # that stpipe refuses
    "ami3.ami_analyze.affine2d",
    "image3.outlier_detection.scale",
    "image3.resample.weight_type",
    "image3.tweakreg.searchrad",
    "tso3.whitelight.min_wavelength",
}
HARMLESS = {
    "detector1.dark_current.dark_output",
    "detector1.jump.maximum_cores",
    "detector1.persistence.save_persistence",
    "detector1.ramp_fit.maximum_cores",
    "spec2.wfss_contam.maximum_cores",
    "spec3.adaptive_trace_model.maximum_cores",
    "spec3.cube_build.output_file",
}


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    """The outcome of each setting."""
    return outcomes()


def test_all_settings_of_notebooks_are_accepted_but_for_five_slips(found):
    """And for seven that no result depends on, which are ignored with a note."""
    names = {outcome: set() for outcome in (ACCEPTED, IGNORED, MISTAKE)}
    for each in found:
        names[each.outcome].add(each.name)

    assert len(found) == 233
    assert names[MISTAKE] == SLIPS
    assert names[IGNORED] == HARMLESS
    assert all(bool(each.remark) == (each.outcome != ACCEPTED) for each in found)


def test_the_tables_of_the_page_are_made_from_what_the_checks_find(found):
    """docs/parameters.md; `make docs` writes it."""
    page = PAGE.read_text()

    assert with_tables(page) == page
    assert page.count("| accepted |") == len([x for x in found if x.outcome == ACCEPTED])
