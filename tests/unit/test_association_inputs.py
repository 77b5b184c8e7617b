"""The file that each member of an association is, case by case, and why another is not taken."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Entry, Failure, Input, Recipe, Wait, canonical
from jwmirror.core.model.association import Associations
from jwmirror.planning.inputs import (
    AvailableFiles,
    available_files,
    raw_exposures,
    shutters_file,
    taken_from_upstream,
    why_missing,
)
from tests.setup.plans import DEEP, PlanSources, chains
from tests.setup.records import association, entry, product, result, result_file

ROOT, OTHER = (f"jw01345001001_02101_{n:05d}_nrcb1" for n in (1, 2))
CAL = f"{ROOT}_cal.fits"
MOSAIC = association("image3", "jw01345-o001_t001", CAL, f"background:{OTHER}_cal.fits")
ALONE = association("image3", "jw01345-o001_t001", CAL)
HEADER = canonical({"meta.exposure.type": "NRC_IMAGE"})
FROM_CAL = replace(DEEP, stages=(3,))


def mast(filename: str, **fields: object) -> Entry:
    """A row of MAST's, made by one version."""
    given = {"cal_ver": "1.20.2", "crds_ctx": "jwst_1464.pmap"}
    row = entry(product(filename, **given | fields), sha256=f"sha-{filename}", header=HEADER)
    return replace(row, identity=f"id-{filename}")


def raw(root: str) -> Entry:
    """A row of a raw exposure."""
    return mast(f"{root}_uncal.fits")


def made(filename: str, recipe: str = "deep"):
    """A result of a recipe."""
    return result("image2", filename.rpartition("_")[0], result_file(filename), recipe=recipe)


def inputs(available: AvailableFiles, recipe: Recipe = DEEP, of=ALONE) -> object:
    """The inputs of an association, or the wait."""
    return available.inputs(recipe, of)


def test_a_member_that_the_recipe_makes_is_its_result():
    """Not MAST's file of the same name, and not another recipe's; order and roles stay."""
    available = available_files(
        [raw(ROOT), raw(OTHER), mast(CAL)],
        [made(CAL), made(f"{OTHER}_cal.fits"), made(CAL, "quick")],
    )

    assert inputs(available, of=MOSAIC) == (
        Input(name=CAL, role="science", identity=CAL, sha256=CAL),
        Input(
            name=f"{OTHER}_cal.fits",
            role="background",
            identity=f"{OTHER}_cal.fits",
            sha256=f"{OTHER}_cal.fits",
        ),
    )


def test_a_recipe_that_starts_later_takes_mast_s_file():
    """By its identity or, without one, by its bytes."""
    row = mast(CAL)

    known = inputs(available_files([row]), FROM_CAL)
    unknown = inputs(available_files([replace(row, identity="")]), FROM_CAL)

    assert known == (Input(name=CAL, role="science", identity=row.identity, sha256=row.sha256),)
    assert unknown == (Input(name=CAL, role="science", identity=row.sha256, sha256=row.sha256),)


def test_a_result_without_identity_is_not_known_by_its_bytes():
    """Only MAST's files are; a result that is assumed to be made has no content yet."""
    recipe = replace(DEEP, stages=(1, 2, 3))
    sources = PlanSources()
    (chain,) = chains(sources.plan([raw(ROOT)], Associations(found=(rate_alone(),))))

    available = available_files([raw(ROOT)], assumed_done=[chain])

    assert inputs(available, recipe) == (Input(name=CAL, role="science", identity="", sha256=""),)


def rate_alone():
    """The stage-2 association of one exposure."""
    return association("image2", ROOT, f"{ROOT}_rate.fits")


WHY = [
    (DEEP, [], (), "not mirrored", "input"),
    (FROM_CAL, [], (), f"{CAL} is missing: it is not mirrored, and recipe deep starts", "input"),
    (FROM_CAL, [replace(mast(CAL), refusal="pixels were cut")], (), "pixels were cut", "input"),
    (DEEP, [raw(ROOT)], (Failure(name=ROOT, message="jump: died", recipe="deep", product=ROOT),),
     "jump: died", "failed"),
    (DEEP, [raw(ROOT)], (Wait("deep", ROOT, "no association", "association"),),
     "no association", "association"),
    (DEEP, [raw(ROOT)], (Wait("quick", ROOT, "no association", "association"),),
     "made nothing of", None),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "entries", "problems", "words", "cause"), WHY)
def test_a_missing_member_is_told_with_its_reason(recipe, entries, problems, words, cause):
    """The association waits; the cause is that of the member."""
    wait = inputs(available_files(entries, problems=problems), recipe)

    assert isinstance(wait, Wait)
    assert (wait.recipe, wait.product, wait.member) == ("deep", ALONE.product, CAL)
    assert words in wait.why and wait.why.startswith(f"member {CAL} is missing: ")
    assert cause in (None, wait.cause)
    assert why_missing(wait) == wait.why.removeprefix(f"member {CAL} is missing: ")


@pytest.mark.parametrize(
    ("one", "other", "waits"),
    [
        ({}, {}, False),
        ({}, {"cal_ver": "1.21.0"}, True),
        ({}, {"crds_ctx": "jwst_1470.pmap"}, True),
        ({}, {"cal_ver": None}, True),
        ({"cal_ver": None}, {"cal_ver": None}, False),
    ],
)
def test_mast_s_members_must_be_of_one_version(one, other, waits):
    """An unknown one counts as different from a known one."""
    entries = [mast(CAL, **one), mast(f"{OTHER}_cal.fits", **other)]

    found = inputs(available_files(entries), FROM_CAL, MOSAIC)

    assert isinstance(found, Wait) is waits
    if waits:
        assert "MAST has made them all with one" in found.why and found.cause == "input"


def test_files_without_version_do_not_mix():
    """Catalogues have none."""
    catalogue = "stars.ecsv"
    both = association("image3", "jw01345-o001_t001", CAL, f"sourcecat:{catalogue}")
    entries = [mast(CAL), mast(catalogue, cal_ver=None, crds_ctx=None)]

    assert len(inputs(available_files(entries), FROM_CAL, both)) == 2


def test_an_association_of_an_unknown_exposure_waits():
    """Its parameters are chosen by the header of the first science member."""
    row = replace(mast(CAL), header="")

    wait = inputs(available_files([row]), FROM_CAL)

    assert wait.why == f"the header of {CAL} is unknown"
    assert available_files([row]).header(ALONE) == ""


def test_raw_exposures_go_before_other_files_with_a_header():
    """As the header that decides; by root, the last name of one root counts."""
    uncal = replace(raw(ROOT), header=canonical({"a": 1}))

    available = available_files([mast(CAL), uncal, mast(f"{ROOT}_uncal.jpg")])

    assert available.header(ALONE) == uncal.header
    assert raw_exposures([mast(CAL), uncal]) == {ROOT: uncal}


@pytest.mark.parametrize(("asn_type", "folder"), [("image2", "o001"), ("image3", "c1001")])
def test_a_result_is_in_the_folder_of_its_exposure_or_candidate(asn_type, folder):
    """Stage 2 in the exposure's observation, stage 3 in the candidate's."""
    wide = association(asn_type, "p", CAL, candidate="c1001")

    assert available_files([raw(ROOT)]).folder(wide) == folder
    assert available_files([]).folder(wide) == "c1001"


MSA = canonical(
    {"meta.exposure.type": "NRS_MSASPEC", "meta.instrument.msa_metadata_file": "msa.fits"}
)
SLITS = association("spec2", ROOT, f"{ROOT}_rate.fits")


@pytest.mark.parametrize(
    ("of", "header", "expected"),
    [
        (SLITS, MSA, "msa.fits"),
        (SLITS, canonical({"meta.exposure.type": "NRS_MSASPEC"}), "its shutter configuration"),
        (SLITS, HEADER, ""),
        (SLITS, "", ""),
        (replace(SLITS, asn_type="spec3"), MSA, ""),
    ],
)
def test_only_stage_2_of_multi_object_spectra_reads_shutters(of, header, expected):
    """The file that the header names."""
    name = shutters_file(of, header)

    assert name.startswith(expected) and bool(name) is bool(expected)


@pytest.mark.parametrize("is_mirrored", [True, False])
def test_shutters_are_an_input_or_the_reason_to_wait(is_mirrored):
    """The way out is a kind of product to mirror."""
    exposure, msa = replace(raw(ROOT), header=MSA), mast("msa.fits")
    rates = [made(f"{ROOT}_rate.fits")]

    available = available_files([exposure, msa] if is_mirrored else [exposure], rates)
    found = inputs(available, DEEP, SLITS)

    if is_mirrored:
        assert found[1] == Input(
            name="msa.fits", role="msa", identity=msa.identity, sha256=msa.sha256
        )
    else:
        assert found.why == "msa.fits is not mirrored; add msa to the products of program 1345"


def test_what_recipes_take_from_mast_is_known():
    """Members that they do not make, and shutters; each once, of those that are mirrored."""
    slits = replace(SLITS, product="s")
    entries = [replace(raw(ROOT), header=MSA), mast("msa.fits"), mast(CAL), mast("other.fits")]
    associations = Associations(found=(ALONE, MOSAIC, slits))

    all_stages = taken_from_upstream(entries, associations, [DEEP])
    last = taken_from_upstream(entries, associations, [FROM_CAL, FROM_CAL])

    assert [each.filename for each in all_stages] == ["msa.fits"]
    assert [each.filename for each in last] == [CAL]


# ---- each text and each rule -----------------------------------------------------------------

SEGMENT = f"{ROOT}_i2d.fits"
GRISM = association("spec2", ROOT, f"{ROOT}_rate.fits", "sourcecat:jw01345-o001_t001_cat.ecsv")
NO_IMAGES = (
    "it is not mirrored, and the recipe has no association of stage 3 that makes it; add cat to "
    "the products of its program, or asn, for its direct images"
)
STARTS_LATE = (
    "it is not mirrored, and recipe deep starts after stage 2; add cal to the products of its "
    "program, or the stage to the recipe"
)


@pytest.mark.parametrize(
    ("recipe", "of", "results", "why"),
    [
        (DEEP, ALONE, [], f"{ROOT}_uncal.fits is not mirrored; select it in programs, if it "
         "exists"),
        (FROM_CAL, ALONE, [], STARTS_LATE),
        (replace(DEEP, stages=(1,)), ALONE, [], STARTS_LATE),
        (DEEP, GRISM, [f"{ROOT}_rate.fits"], NO_IMAGES),
        (DEEP, ALONE, [f"{ROOT}_x1d.fits", SEGMENT],
         f"the recipe made {ROOT}_i2d.fits, {ROOT}_x1d.fits of this exposure"),
        (DEEP, ALONE, [f"{OTHER}_cal.fits"], f"the recipe made nothing of {ROOT}_uncal.fits"),
    ],
)  # fmt: skip
def test_why_a_member_is_missing_is_told_word_by_word(recipe, of, results, why):
    """With the way out, where there is one."""
    entries = [] if "select it" in why else [raw(ROOT)]

    wait = inputs(available_files(entries, map(made, results)), recipe, of)

    assert why_missing(wait) == why
    assert wait.cause == "input"


def test_a_problem_of_the_recipe_goes_before_what_it_made():
    """Each with its own cause."""
    failure = Failure(name="x", message="died", recipe="deep", product=ROOT)
    results = [made(f"{ROOT}_x1d.fits")]

    wait = inputs(available_files([raw(ROOT)], results, [failure]))

    assert (why_missing(wait), wait.cause) == ("died", "failed")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cal_ver": "1.21.0"}, "CAL_VER 1.20.2 and 1.21.0"),
        ({"crds_ctx": None}, "CRDS_CTX jwst_1464.pmap and unknown"),
        ({"cal_ver": "1.21.0", "crds_ctx": None}, "CAL_VER 1.20.2 and 1.21.0"),
    ],
)
def test_a_mixture_is_told_with_its_values(changes, why):
    """The first thing in which members differ, sorted."""
    entries = [mast(CAL, **changes), mast(f"{OTHER}_cal.fits")]

    wait = inputs(available_files(entries), FROM_CAL, MOSAIC)

    assert wait == Wait(
        "deep",
        MOSAIC.product,
        f"upstream's members are of {why}; it waits until MAST has made them all with one",
        "input",
    )


@pytest.mark.parametrize("suffix", ["rate", "rateints"])
def test_results_are_of_the_version_of_the_rates_that_they_start_from(suffix):
    """For a recipe that starts with stage 2; one that makes the rates itself does not mix."""
    rates = [mast(f"{root}_{suffix}.fits", cal_ver=root) for root in (ROOT, OTHER)]
    results = [made(f"{root}_cal.fits") for root in (ROOT, OTHER)]
    available = available_files([*rates, raw(ROOT), raw(OTHER)], results)

    assert isinstance(inputs(available, replace(DEEP, stages=(2, 3)), MOSAIC), Wait)
    assert len(inputs(available, DEEP, MOSAIC)) == 2


def test_a_refused_file_of_mast_is_not_taken():
    """Its reason is told; nor is one that the recipe should make itself."""
    refused = replace(mast(CAL), refusal="pixels were cut")

    assert why_missing(inputs(available_files([refused]), FROM_CAL)) == "pixels were cut"
    assert isinstance(inputs(available_files([raw(ROOT), mast(CAL)])), Wait)


def test_headers_of_members_are_in_order_and_empty_where_unknown():
    """Of science members only; a start with a header counts where no raw exposure is mirrored."""
    other = replace(mast(f"{OTHER}_cal.fits"), header=canonical({"b": 2}))
    names = [f"{root}_cal.fits" for root in ("jw01345009001_1_1_a", OTHER, ROOT)]
    wide = association("image3", "p", *names, f"background:{OTHER}_cal.fits")

    available = available_files([raw(ROOT), other])

    assert available.members(wide) == ("", other.header, HEADER)
    assert available.header(wide) == ""


def test_the_last_of_several_raw_files_of_a_root_counts():
    """By name, whatever the order of the rows; files of recipes are no raw exposures."""
    mine = Entry(path=f"recalibrated/deep/{ROOT}_uncal.fits", origin="deep", sha256="a", size=1)

    found = raw_exposures([raw(OTHER), raw(ROOT), mine])

    assert list(found.items()) == [(ROOT, raw(ROOT)), (OTHER, raw(OTHER))]
    assert available_files([mine]).upstream == {}


def test_only_what_a_chain_makes_is_assumed():
    """By recipe, exposure and stage."""
    (chain,) = chains(PlanSources().plan([raw(ROOT)], Associations(found=(rate_alone(),))))

    assert available_files([], assumed_done=[chain]).assumed == {
        ("deep", ROOT, 1),
        ("deep", ROOT, 2),
    }


def test_shutters_that_are_not_named_are_told_in_words():
    """As the header keyword that should name them."""
    header = canonical({"meta.exposure.type": "NRS_MSASPEC"})
    available = available_files([replace(raw(ROOT), header=header)], [made(f"{ROOT}_rate.fits")])

    wait = inputs(available, DEEP, SLITS)

    assert wait == Wait(
        "deep",
        ROOT,
        "its shutter configuration (MSAMETFL) is not mirrored; add msa to the products of program "
        "1345",
        "input",
    )


@pytest.mark.parametrize(
    ("recipe", "name", "begins"),
    [(DEEP, f"{ROOT}_uncal.fits", f"{ROOT}_uncal.fits is withheld"), (FROM_CAL, CAL, "it is with")],
)
def test_a_withheld_member_is_called_withheld(recipe, name, begins):
    """It cannot be selected, and is not to be."""
    absent = {name: "is withheld: exclusive access until 2099-01-01"}

    wait = inputs(available_files([], absent=absent), recipe, ALONE)

    assert why_missing(wait).startswith(begins)
    assert "exclusive access until 2099" in wait.why and "select" not in wait.why
