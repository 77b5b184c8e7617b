"""The user's own files as inputs: members of associations and shutter configurations."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Input, Wait, canonical
from jwmirror.core.model.association import Associations, OwnFile
from jwmirror.core.model.sky.slices import GaiaSlices
from jwmirror.engine.batch import ChainRunner
from jwmirror.engine.client import StageError
from jwmirror.engine.forkserver import FAILED
from jwmirror.engine.memory_pool import MemoryPool
from jwmirror.pipeline.associations.checks import ignored_parts
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.derivation import differences, key_of
from jwmirror.pipeline.usercode.files import check_files
from jwmirror.planning.alignment import aligned_mosaics
from jwmirror.planning.association_choice import describe_unmatched, own_paths, with_types
from jwmirror.planning.inputs import available_files
from tests.setup.calibration import FolderResults
from tests.setup.plans import DEEP, PlanSources, chains, exposure, root
from tests.setup.records import association, chain, derivation, entry, product, result, result_file

RATE, CAL = f"{root(1)}_rate.fits", f"{root(1)}_cal.fits"
FROM_RATE, FROM_CAL = replace(DEEP, stages=(2,)), replace(DEEP, stages=(3,))


def own_association(folder: Path, *members: tuple[str, str], **fields: object):
    """The association in a file of the user."""
    listed = [{"expname": name, "exptype": exptype} for name, exptype in members]
    plain = {"asn_type": "spec2", "asn_id": "a3001", "program": "01345"}
    path = folder / "mine.json"
    path.write_text(
        json.dumps({**plain, "products": [{"name": "mine", "members": listed}], **fields})
    )
    (read,) = read_own_associations(path)
    return read


def mast(filename: str, exp_type: str = "NRC_IMAGE"):
    """A row of MAST's with a header."""
    header = canonical({"meta.exposure.type": exp_type, "meta.instrument.detector": "NRCB1"})
    row = entry(product(filename, cal_ver="1", crds_ctx="c"), sha256=f"sha-{filename}")
    return replace(row, header=header, identity=f"id-{filename}")


# ---- which files are the user's ----------------------------------------------------------------


def test_names_that_are_not_jwst_s_are_files_of_the_user(tmp_path):
    """They are looked for beside the association, as jwst does, whether they exist or not."""
    read = own_association(tmp_path, (RATE, "science"), ("cats/my_cat.ecsv", "sourcecat"))

    assert [member.name for member in read.members] == [RATE, "my_cat.ecsv"]
    assert [member.path for member in read.members] == ["", str(tmp_path / "cats/my_cat.ecsv")]
    assert [*ignored_parts(read)] == [] and read.roots == (root(1),)
    assert not read.is_of_one_exposure


def test_a_jwst_name_with_a_folder_is_the_user_s_if_there_is_such_a_file(tmp_path):
    """Notebooks write folders that do not exist here: then the recipe's file is meant."""
    (tmp_path / "stage2").mkdir()
    (tmp_path / "stage2" / CAL).write_bytes(b"mine")
    other = f"{root(2)}_cal.fits"

    read = own_association(
        tmp_path, (f"./stage2/{CAL}", "science"), (f"/none/{other}", "science"), asn_type="image3"
    )

    assert [member.name for member in read.members] == [CAL, other]
    assert [member.path for member in read.members] == [str(tmp_path / "stage2" / CAL), ""]


def test_a_jwst_name_without_a_folder_is_the_mirror_s(tmp_path):
    """Even if a file of that name is beside the association."""
    (tmp_path / CAL).write_bytes(b"mine")

    bare, with_folder = (
        own_association(tmp_path, (name, "science"), asn_type="image3").members[0].path
        for name in (CAL, f"./{CAL}")
    )

    assert (bare, with_folder) == ("", str(tmp_path / CAL))


def test_one_file_may_have_two_roles_but_not_one_role_twice(tmp_path):
    """Background and selfcal of MRS; science and PSF of self-referential coronagraphy."""
    other = f"{root(2)}_rate.fits"

    read = own_association(
        tmp_path, (RATE, "science"), (other, "background"), (other, "selfcal"), (RATE, "psf")
    )

    assert [member.exptype for member in read.members] == [
        "science", "background", "selfcal", "psf",
    ]  # fmt: skip
    with pytest.raises(CalibrationError, match=f"{other} is a member twice, as selfcal"):
        own_association(tmp_path, (RATE, "science"), (other, "selfcal"), (other, "selfcal"))


def test_two_files_of_one_name_are_a_mistake(tmp_path):
    """The pipeline sees names without folders."""
    with pytest.raises(CalibrationError, match=r"members of one name, psf\.fits: .*; rename"):
        own_association(tmp_path, (RATE, "science"), ("a/psf.fits", "psf"), ("b/psf.fits", "psf"))


def test_program_and_number_may_be_missing(tmp_path):
    """The names of the members give the program; jwst's schema asks for neither."""
    read = own_association(
        tmp_path, ("my_sky.fits", "background"), (RATE, "science"), program="noprogram", asn_id=None
    )

    assert (read.program, read.candidate) == (1345, "a3001")


# ---- in plans ----------------------------------------------------------------------------------


def own_file(path: str, content: str, **fields: object) -> dict[str, OwnFile]:
    """A file of the user, by path."""
    return {path: OwnFile(path=path, sha256=f"sha-{content}", identity=content, **fields)}


def planned(*entries, of, recipe=FROM_RATE, own=None, **fields):
    """The derivation of an association, or what it waits for."""
    available = available_files(entries, own=own or {}, **fields)
    plan = PlanSources().plan_stage(of.stage, available, Associations(found=(of,)), recipe)
    (found,) = (*plan.chains, *plan.waits, *plan.failures)
    return found if isinstance(found, Wait) else found.derivations[0]


def test_a_changed_own_file_changes_the_key_and_a_moved_one_does_not(tmp_path):
    """The key has the content; the path is for the worker."""
    of = own_association(tmp_path, (RATE, "science"), ("my_cat.ecsv", "sourcecat"))
    path = str(tmp_path / "my_cat.ecsv")

    first, changed = (
        planned(mast(RATE), of=of, own=own_file(path, content)) for content in ("one", "two")
    )
    moved = replace(first, inputs=(first.inputs[0], replace(first.inputs[1], path="/else")))

    assert first.inputs[1] == Input(
        name="my_cat.ecsv", role="sourcecat", identity="one", sha256="sha-one", path=path
    )
    assert key_of(moved) == key_of(first) != key_of(changed)
    (reason,) = differences(first, changed)
    assert (reason.what, reason.cause) == ("spec2: science content of my_cat.ecsv", "own file")


def test_a_missing_own_file_makes_its_association_wait(tmp_path):
    """The message has the path, and how to find the line of the config."""
    of = own_association(tmp_path, (RATE, "science"), ("my_cat.ecsv", "sourcecat"))
    path = str(tmp_path / "my_cat.ecsv")

    wait = planned(mast(RATE), of=of, own={path: OwnFile(path=path, refusal=f"{path}: gone")})

    assert (wait.member, wait.cause) == ("my_cat.ecsv", "input")
    assert wait.why == f"member my_cat.ecsv is missing: {path}: gone"


def test_an_own_science_member_has_its_own_header_and_does_not_mix(tmp_path):
    """References are chosen by it; MAST's rule of one version is about MAST's files."""
    name = "from_a_colleague.fits"
    of = own_association(tmp_path, (name, "science"), (CAL, "science"), asn_type="image3")
    header = mast(CAL).header
    own = own_file(str(tmp_path / name), "theirs", header=header)

    made = planned(mast(CAL), of=of, recipe=FROM_CAL, own=own)

    assert [item.identity for item in made.inputs] == ["theirs", f"id-{CAL}"]
    assert available_files([], own=own).header(of) == header


def test_an_own_rate_is_not_made_from_the_exposure_of_its_name(tmp_path):
    """With stage 1 in the recipe: stage 2 takes the user's file, and stage 1 is planned alone."""
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / RATE).write_bytes(b"mine")
    of = own_association(tmp_path, (f"else/{RATE}", "science"), asn_type="image2")
    own = own_file(str(tmp_path / "else" / RATE), "mine", header=exposure(1).header)
    sources, both = PlanSources(), Associations(found=(of,))

    (first,) = chains(sources.plan([exposure(1)], both))
    (second,) = chains(sources.plan_stage(2, available_files([exposure(1)], own=own), both))

    assert [each.pipeline for each in first.derivations] == ["detector1"]
    assert second.derivations[0].inputs[0].path == str(tmp_path / "else" / RATE)


def test_own_shutters_replace_the_mirror_s():
    """Under the name that the exposure asks for."""
    named = {"meta.instrument.msa_metadata_file": "jw_msa.fits"}
    row = replace(mast(RATE), header=canonical(named | {"meta.exposure.type": "NRS_MSASPEC"}))
    recipe = replace(FROM_RATE, msa={"jw_msa.fits": "mine.fits"})
    mine = OwnFile(path="/w/mine.fits", sha256="s", identity="edited")

    made, wait = (
        planned(
            *(row, mast("jw_msa.fits")),
            of=association("spec2", "p", RATE),
            recipe=recipe,
            own={"mine.fits": file},
        )
        for file in (mine, OwnFile(path="/w/mine.fits", refusal="/w/mine.fits: gone"))
    )

    assert made.inputs[1] == Input(
        name="jw_msa.fits", role="msa", identity="edited", sha256="s", path="/w/mine.fits"
    )
    assert wait.why == "/w/mine.fits: gone"


def test_shutters_that_no_exposure_asks_for_are_noted():
    """They would have no effect."""
    named = canonical({"meta.instrument.msa_metadata_file": "jw_msa.fits"})
    recipe = replace(DEEP, msa={"jw_msa.fits": "mine.fits", "jw_other_msa.fits": "mine.fits"})

    entries = [replace(exposure(1), header=named)]
    notes = [*describe_unmatched(entries, Associations(), recipe)]

    assert notes == ["msa jw_other_msa.fits is the MSAMETFL of none of the mirrored exposures"]


def test_the_paths_of_own_files_are_collected_by_their_use(tmp_path):
    """A header is read of science members only."""
    of = own_association(tmp_path, ("a.fits", "science"), ("a.fits", "psf"), ("b.fits", "psf"))
    recipe = replace(DEEP, msa={"jw_msa.fits": "mine.fits"})

    assert own_paths({"deep": [of]}, [recipe]) == {
        "mine.fits": False, str(tmp_path / "a.fits"): True, str(tmp_path / "b.fits"): False,
    }  # fmt: skip


# ---- in the worker -----------------------------------------------------------------------------


def test_a_worker_refuses_an_own_file_that_has_changed(tmp_path):
    """Compared before and after, as the files that parameters name."""
    path = tmp_path / "my_cat.ecsv"
    path.write_text("now")
    item = Input(name=path.name, role="sourcecat", identity="i", sha256="0" * 64, path=str(path))

    with pytest.raises(
        CalibrationError, match=r"my_cat.ecsv \(sourcecat my_cat.ecsv\) has changed"
    ):
        check_files(derivation("spec2", inputs=(item,)))
    path.unlink()
    with pytest.raises(CalibrationError, match=r"my_cat.ecsv cannot be read"):
        check_files(derivation("spec2", inputs=(item,)))


class LookingRunner(ChainRunner):
    """Notes the content of the folder in which a stage would run."""

    def _run_stage(self, derivation, python, folder, ramp_mode):
        self.seen = {path.name: path.read_bytes() for path in folder.iterdir()}
        raise StageError(FAILED, "enough")


def test_a_pipeline_finds_an_own_file_under_the_name_that_it_asks_for(tmp_path):
    """An edited shutter configuration beside the rate from the store."""
    mine, rate = tmp_path / "edited.fits", tmp_path / "rate"
    mine.write_bytes(b"edited")
    rate.write_bytes(b"rate")
    store = FolderResults(tmp_path / "objects")
    science_input = Input(name=RATE, role="science", identity="r", sha256=store.take(rate))
    shutters = Input(name="jw_msa.fits", role="msa", identity="e", sha256="e", path=str(mine))
    planned_chain = chain(derivation("spec2", inputs=(science_input, shutters)))
    runner = LookingRunner(store, tmp_path / "work", tmp_path / "logs", 9.0, MemoryPool(1e9))

    (outcome,) = runner.run([planned_chain])

    assert runner.seen == {RATE: b"rate", "jw_msa.fits": b"edited"}
    assert outcome.failure.message == "enough"


# ---- associations without a type ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "exp_type", "asn_type"),
    [
        ([("cal", "science")], "NRC_IMAGE", "image3"),
        ([("cal", "science")], "MIR_IMAGE", "image3"),
        ([("cal", "science")], "MIR_MRS", "spec3"),
        ([("cal", "science")], "NIS_WFSS", "spec3"),
        ([("cal", "science")], "NIS_SOSS", "spec3"),
        ([("calints", "science")], "NIS_SOSS", "tso3"),
        ([("calints", "science")], "MIR_LRS-SLITLESS", "tso3"),
        ([("calints", "science")], "NIS_AMI", "ami3"),
        ([("calints", "science"), ("calints", "psf")], "NRC_CORON", "coron3"),
        ([("rate", "science")], "NRC_IMAGE", "image2"),
        ([("rateints", "science")], "NRS_BRIGHTOBJ", "spec2"),
        ([("calints", "science")], "NRC_CORON", ""),
        ([("cal", "science")], "MIR_4QPM", ""),
        ([("cal", "science")], "", ""),
    ],
)
def test_a_type_follows_from_the_rules_of_jwst(tmp_path, members, exp_type, asn_type):
    """By the exposure type, the suffix and the roles; not where two types fit, or none."""
    listed = [(f"{root(n)}_{suffix}.fits", role) for n, (suffix, role) in enumerate(members)]
    untyped = own_association(tmp_path, *listed, asn_type="None", asn_rule="DMS_Level3_Base")

    (typed,) = with_types([untyped], [mast(listed[0][0], exp_type)], {})

    assert typed.asn_type == asn_type and typed.stage == (2 if "rate" in members[0][0] else 3)


def test_a_type_that_is_left_open_is_asked_for(tmp_path):
    """One question, with what to write where; only this association is refused."""
    cal = f"{root(1)}_calints.fits"
    untyped = own_association(tmp_path, (cal, "science"), asn_type=None, asn_rule="DMS_Level3_Base")

    refused = planned(mast(cal, "NRC_CORON"), of=untyped, recipe=FROM_CAL)

    assert (refused.product, refused.cause) == ("mine", "request")
    assert refused.why == (
        "mine.json has no asn_type, and members of EXP_TYPE NRC_CORON leave open which one is "
        'meant; write "asn_type": "coron3" or "image3" into the file'
    )


def test_a_type_of_an_own_science_file_is_that_of_its_header(tmp_path):
    """The name of such a file says nothing."""
    untyped = own_association(
        tmp_path, ("sky.fits", "science"), asn_type="None", asn_rule="DMSLevel2bBase"
    )
    own = own_file(str(tmp_path / "sky.fits"), "x", header=mast(CAL, "MIR_MRS").header)

    (typed,) = with_types([untyped], [], own)

    assert (typed.asn_type, typed.stage) == ("spec2", 2)


def test_a_recipe_s_result_is_a_member_beside_an_own_file(tmp_path):
    """Coronagraphy with a library of PSFs."""
    cal = f"{root(1)}_calints.fits"
    of = own_association(tmp_path, (cal, "science"), ("lib/psf.fits", "psf"), asn_type="coron3")
    own = own_file(str(tmp_path / "lib/psf.fits"), "library")
    made = result("image2", root(1), result_file(cal))

    third = planned(exposure(1), of=of, recipe=DEEP, own=own, results=[made])

    assert [(item.name, item.role) for item in third.inputs] == [
        (cal, "science"), ("psf.fits", "psf"),
    ]  # fmt: skip


def test_science_of_two_instruments_is_refused(tmp_path):
    """jwst would combine it, with the references of the first member."""
    of = own_association(tmp_path, (CAL, "science"), ("sky.fits", "science"), asn_type="image3")
    headers = [
        canonical({"meta.exposure.type": exp_type, "meta.instrument.name": instrument})
        for exp_type, instrument in (("NRC_IMAGE", "NIRCAM"), ("MIR_IMAGE", "MIRI"))
    ]
    own = own_file(str(tmp_path / "sky.fits"), "x", header=headers[1])
    row = replace(mast(CAL), header=headers[0])

    refused = planned(row, of=of, recipe=FROM_CAL, own=own)

    assert (refused.product, refused.cause) == ("mine", "request")
    assert refused.why == (
        "mine.json: science members are of NIRCAM (the first one) and MIRI (sky.fits); an "
        "association is of one instrument; take the others out"
    )


# ---- mosaics that are aligned ------------------------------------------------------------------

ALIGNED = {"image3": {"steps": {"tweakreg": {"abs_refcat": "GAIADR3"}}}}


class StrictSources(PlanSources):
    """As the installed jwst: there is no pipeline without a name."""

    def resolve(self, pipeline, header, requested):
        """Fail as a look-up does."""
        return super().resolve({"image3": "image3"}[pipeline], header, requested)


def test_own_files_of_one_name_have_fields_by_their_paths(tmp_path):
    """Recipes may combine files of equal names from different folders, and so of other fields."""
    recipes = [replace(FROM_CAL, name=name, parameters=ALIGNED) for name in ("a", "b")]
    chosen, own = {}, {}
    for recipe in recipes:
        folder = tmp_path / recipe.name
        folder.mkdir()
        (folder / CAL).write_bytes(b"")
        of = own_association(folder, (f"./{CAL}", "science"), asn_type="image3")
        chosen[recipe.name] = (of,)
        own |= own_file(str(folder / CAL), recipe.name, header=mast(CAL).header)
    associations, available = Associations(chosen=chosen), available_files([], own=own)

    first, second = aligned_mosaics(available, associations, recipes, StrictSources().resolvers)

    assert first.field != second.field
    slices = GaiaSlices(missing={first.field: "down", second.field: "down"})
    waits = [
        PlanSources(slices=slices).plan_stage(3, available, associations, recipe).waits
        for recipe in recipes
    ]
    assert [wait.why for (wait,) in waits] == ["alignment to GAIADR3: down"] * 2


def test_an_association_without_a_type_is_not_looked_up_for_gaia(tmp_path):
    """The plan will ask for the type; the others get their slices."""
    cal = f"{root(1)}_calints.fits"
    untyped = own_association(tmp_path, (cal, "science"), asn_type=None, asn_rule="DMS_Level3_Base")
    recipe = replace(FROM_CAL, parameters=ALIGNED)
    available = available_files([mast(cal, "NRC_CORON")])

    found = aligned_mosaics(
        available, Associations(found=(untyped,)), [recipe], StrictSources().resolvers
    )

    assert list(found) == []
