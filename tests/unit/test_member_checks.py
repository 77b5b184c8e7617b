"""Members that jwst cannot combine: `check` and the plan say so, before anything is computed."""

import json
from dataclasses import replace

import pytest
from jwst.pipeline import calwebb_spec2

from jwmirror.core.model import Recipe
from jwmirror.core.model.association import Associations
from jwmirror.pipeline.associations.checks import GRISM_TYPES, ignored_parts
from jwmirror.planning.inputs import available_files
from jwmirror.services.configure.members import member_notes
from tests.setup.command_line import answer
from tests.setup.mirrors import SmallMirror
from tests.setup.plans import DEEP, PlanSources, exposure, root
from tests.setup.records import association

SPECTRUM = "jw01345-o001_t001_niriss_gr150r"
IMAGE = "jw01345-o001_t001_niriss_clear-f200w"
CATALOGUE = f"{IMAGE}_cat.ecsv"


def refusals(given, *exp_types: str, recipe: Recipe = DEEP) -> list[str]:
    """Why the plan of exposures refuses an association of exposures 1, 2... of these types."""
    entries = [exposure(number, exp_type) for number, exp_type in enumerate(exp_types, start=1)]
    associations, sources = Associations(found=(given,)), PlanSources()
    alone = sources.plan(entries, associations, recipe)
    several = sources.plan_stage(given.stage, available_files(entries), associations, recipe)
    return [wait.why for plan in (alone, several) for wait in plan.failures]


def own_file(folder, asn_type: str, *members: tuple[str, str]) -> str:
    """The path of an association of the user."""
    listed = [{"expname": name, "exptype": exptype} for name, exptype in members]
    content = {"asn_type": asn_type, "asn_id": "a3001", "program": "01345"}
    path = folder / "mine_asn.json"
    path.write_text(json.dumps({**content, "products": [{"name": "mine", "members": listed}]}))
    return str(path)


def test_grism_types_are_those_of_jwst():
    """For which spec2 reads a catalogue."""
    assert list(GRISM_TYPES) == calwebb_spec2.WFSS_TYPES


# ---- the catalogue of grism exposures ----------------------------------------------------------


@pytest.mark.parametrize("others", [[], [f"direct_image:{IMAGE}_i2d.fits"]])
def test_grism_exposures_without_a_catalogue_are_refused(others):
    """The message has the member, its type, what is there and what to add."""
    given = association("spec2", root(1), f"{root(1)}_rate.fits", *others)

    (why,) = refusals(given, "NIS_WFSS")

    assert why.startswith(f"{given.name}: expected a member of exptype sourcecat")
    assert f"{root(1)}_rate.fits (EXP_TYPE NIS_WFSS)" in why and "add the _cat.ecsv" in why
    assert ("found direct_image without it" if others else "found none") in why


def test_other_spectra_need_no_catalogue():
    """And grism exposures with one are planned."""
    plain = association("spec2", root(1), f"{root(1)}_rate.fits")
    with_one = replace(plain, members=(*plain.members, *_catalogue().members[1:]))

    assert refusals(plain, "MIR_LRS-FIXEDSLIT") == []
    assert refusals(with_one, "NIS_WFSS") == []


def _catalogue():
    return association("spec2", root(1), f"{root(1)}_rate.fits", f"sourcecat:{CATALOGUE}")


@pytest.mark.parametrize(
    ("exptype", "name", "words"),
    [
        ("segmap", CATALOGUE, "expected a file *_segm.* as segmap"),
        ("sourcecat", f"{IMAGE}_segm.fits", "expected a file *_cat.* as sourcecat"),
        ("direct_image", CATALOGUE, "expected a file *_i2d.* as direct_image"),
    ],
)
def test_a_file_of_another_exptype_is_a_mistake(exptype, name, words):
    """By its name, so that `check` sees it without a mirror."""
    given = association("spec2", root(1), f"{root(1)}_rate.fits", f"{exptype}:{name}")

    (problem,) = ignored_parts(given)

    assert problem == f"member {name}: {words}"


def test_check_sees_a_segmentation_map_without_a_catalogue(tmp_path):
    """Whatever is mirrored."""
    members = [(f"{root(1)}_rate.fits", "science"), (f"{IMAGE}_segm.fits", "segmap")]
    recipe = {"stages": [2], "associations": [own_file(tmp_path, "spec2", *members)]}
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps({"programs": [{"program": 1345}], "recipes": {"deep": recipe}}, indent=1)
    )

    found = answer("check", "--config", config, code=2)

    (mistake,) = found["mistakes"]
    assert "mine_asn.json: expected a member of exptype sourcecat" in mistake
    assert "found segmap without it" in mistake


# ---- images and spectra ------------------------------------------------------------------------


def mixed(asn_type: str):
    """An association of three exposures."""
    return association(asn_type, "mine", *(f"{root(n)}_cal.fits" for n in (1, 2, 3)))


@pytest.mark.parametrize("asn_type", ["image3", "spec3"])
def test_images_and_spectra_are_not_combined(asn_type):
    """The message names one member of each kind."""
    types = ["MIR_IMAGE", "MIR_LRS-FIXEDSLIT", "MIR_LRS-FIXEDSLIT"]

    (why,) = refusals(mixed(asn_type), *types)

    assert why == (
        f"{mixed(asn_type).name}: science members are images ({root(1)}_cal.fits: EXP_TYPE "
        f"MIR_IMAGE) and spectra ({root(2)}_cal.fits: EXP_TYPE MIR_LRS-FIXEDSLIT, and 1 more), "
        f"which {asn_type} cannot combine; take one kind out, or write an association for each"
    )


def test_check_notes_what_a_plan_would_refuse(tmp_path, small_mirror: SmallMirror):
    """By the headers of the exposures that the mirror has."""
    members = [(f"{root(number)}_cal.fits", "science") for number in (1, 2)]
    recipe = replace(DEEP, associations=(own_file(tmp_path, "image3", *members),))
    for number, kind in {1: "MIR_IMAGE", 2: "MIR_LRS-FIXEDSLIT"}.items():
        row = small_mirror.hold(f"{root(number)}_uncal.fits", lambda path: path.write_text("raw"))
        small_mirror.rows[row.path] = replace(row, header=exposure(number, kind).header)
    small_mirror.publish()

    (note,) = member_notes([recipe], small_mirror.root)

    assert note.startswith("recipes.deep.associations:") and "a run will refuse it: " in note
    assert "MIR_IMAGE" in note and "MIR_LRS-FIXEDSLIT" in note
    assert list(member_notes([DEEP], small_mirror.root)) == []
    assert list(member_notes([recipe], tmp_path / "no mirror")) == []
