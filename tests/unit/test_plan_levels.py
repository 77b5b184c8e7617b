"""Plans of stage 2 with several exposures, of time series, and from upstream's products on."""

from dataclasses import replace

import pytest

from jwmirror.core.model import Chain, Entry, Plan, Reason, Result, ResultFile, canonical
from jwmirror.core.model.association import Associations
from jwmirror.planning.inputs import available_files, taken_from_upstream
from jwmirror.planning.plan import headers_and_pipelines
from tests.setup.plans import DEEP, PlanSources, chains, exposure, root, stages
from tests.setup.records import association, entry, product, result

SLIT = "MIR_LRS-FIXEDSLIT"
SPECTRUM = "jw01345-o001_t001_miri_p750l"
FROM_RATE, FROM_CAL = replace(DEEP, stages=(2, 3)), replace(DEEP, stages=(3,))


def nods(*numbers: int) -> Associations:
    """Each nod with the others as background, and the spectrum of all."""
    second = [
        association(
            "spec2",
            root(n),
            f"{root(n)}_rate.fits",
            *(f"background:{root(other)}_rate.fits" for other in numbers if other != n),
            candidate="c1001",
        )
        for n in numbers
    ]
    third = association("spec3", SPECTRUM, *(f"{root(n)}_cal.fits" for n in numbers))
    return Associations(found=(*second, third))


def upstream(filename: str, identity: str = "", **fields: str) -> Entry:
    """A manifest row of one of MAST's products."""
    given = {"sha256": f"sha-{filename}", "identity": identity or f"mast-{filename}"}
    header = canonical({"meta.exposure.type": SLIT})
    return entry(product(filename, **fields), header=header, **given)


def made(chain: Chain, *suffixes: str, mark: str = "") -> Result:
    """What the first stage of a chain gives."""
    first = chain.derivations[0]
    files = tuple(
        ResultFile(
            filename=f"{first.product}_{suffix}.fits",
            sha256=f"sha{mark}-{first.product}-{suffix}",
            size=1,
            identity=f"id{mark}-{first.product}-{suffix}",
        )
        for suffix in suffixes
    )
    return result(first.pipeline, first.product, *files, recipe=chain.recipe)


def keep(sources: PlanSources, chain: Chain, result: Result) -> None:
    """Remember and publish a result."""
    from jwmirror.pipeline.derivation import key_of

    derivation = chain.derivations[0]
    sources.results[key_of(derivation)] = result.files
    sources.derivations[chain.recipe, derivation.product, derivation.pipeline] = derivation


def inputs(plan: Plan) -> list[list[tuple[str, str]]]:
    """Role and identity of each chain's inputs."""
    return [
        [(item.role, item.identity) for item in chain.derivations[0].inputs]
        for chain in chains(plan)
    ]


# ---- stage 2 with several exposures ----------------------------------------------------------


def test_nods_wait_for_each_other_and_take_each_other_as_background():
    """Stage 1 alone first; then each exposure's stage 2, in MAST's order, in its own folder."""
    sources, found, entries = PlanSources(), nods(1, 2, 3), [exposure(n, SLIT) for n in (1, 2, 3)]
    first = sources.plan(entries, found)
    rates = [made(chain, "rate", "rateints") for chain in chains(first)]

    second = sources.plan_stage(2, available_files(entries, rates), found)

    assert stages(first) == [["detector1"]] * 3 and first.waits == ()
    assert stages(second) == [["spec2"]] * 3
    assert inputs(second)[1] == [
        ("science", f"id-{root(2)}-rate"),
        ("background", f"id-{root(1)}-rate"),
        ("background", f"id-{root(3)}-rate"),
    ]
    assert {chain.observation for chain in chains(second)} == {"o001"}


def test_one_changed_nod_is_calibrated_with_all_that_subtract_it():
    """Equal rates make no new stage 2; a changed one does wherever it is a member."""
    sources, found, entries = PlanSources(), nods(1, 2), [exposure(n, SLIT) for n in (1, 2, 3)]
    found = Associations(found=(*found.found, *nods(3, 3).found[:1]))
    rates = [made(chain, "rate") for chain in chains(sources.plan(entries, found))]
    for chain in chains(sources.plan_stage(2, available_files(entries, rates), found)):
        keep(sources, chain, made(chain, "cal", "x1d"))

    same = sources.plan_stage(2, available_files(entries, rates), found)
    changed = [*rates[1:], made(chains(sources.plan(entries, found))[0], "rate", mark="2")]
    other = sources.plan_stage(2, available_files(entries, changed), found)

    assert same.batches == {} and len(same.done) == 2
    told = Reason(
        f"spec2: science content of {root(1)}_rate.fits",
        *(f"id{n}-jw0134500"[:12] for n in ("", "2")),
        stage="spec2",
        cause="inputs",
        subject=f"{root(1)}_rate.fits",
    )
    assert [chain.reasons for chain in chains(other)] == [(told,), (told,)]


def test_a_lost_nod_holds_up_those_that_need_it_and_says_so():
    """No background is left out silently."""
    sources, found, entries = PlanSources(), nods(1, 2), [exposure(1, SLIT), exposure(2, SLIT)]
    one = made(chains(sources.plan(entries, found))[0], "rate")

    plan = sources.plan_stage(2, available_files(entries, [one]), found)
    without = sources.plan_stage(2, available_files(entries[:1], [one]), found)

    assert plan.batches == {}
    assert plan.waits[0].why == (
        f"member {root(2)}_rate.fits is missing: the recipe made nothing of {root(2)}_uncal.fits"
    )
    assert f"{root(2)}_uncal.fits is not mirrored; select it" in without.waits[0].why


def test_a_member_of_another_kind_is_not_taken_for_it():
    """A cal is no calints; what the recipe did make of the exposure is named."""
    found = Associations(found=(association("coron3", SPECTRUM, f"{root(1)}_calints.fits"),))
    entries = [exposure(1, "NRC_CORON")]
    cal = made(chains(PlanSources().plan(entries, found))[0], "cal")

    (wait,) = PlanSources().plan_stage(3, available_files(entries, [cal]), found).waits

    assert wait.why.endswith(f"the recipe made {root(1)}_cal.fits of this exposure")


def test_companions_need_no_stage_2_of_their_own():
    """An imprint has no association that is about it, and nothing waits for one."""
    one = association("spec2", root(1), f"{root(1)}_rate.fits", f"imprint:{root(2)}_rate.fits")
    entries = [exposure(1, "NRS_IFU"), exposure(2, "NRS_IFU")]

    plan = PlanSources().plan(entries, Associations(found=(one,)))

    assert stages(plan) == [["detector1"], ["detector1"]] and plan.waits == ()


def test_a_background_of_spec3_is_what_stage_2_extracted():
    """Members of stage 3 may be x1d, cal or rate: each of the stage that makes it."""
    found = Associations(
        found=(
            association(
                "spec3",
                SPECTRUM,
                f"{root(1)}_cal.fits",
                f"background:{root(2)}_x1d.fits",
                f"autowave:{root(3)}_rate.fits",
            ),
        )
    )
    entries = [exposure(n, SLIT) for n in (1, 2, 3)]
    results = [
        made(chain, suffix)
        for chain, suffix in zip(
            chains(PlanSources().plan(entries, found)), ("cal", "x1d", "rate"), strict=True
        )
    ]

    plan = PlanSources().plan_stage(3, available_files(entries, results), found)

    assert [role for role, _ in inputs(plan)[0]] == ["science", "background", "autowave"]


def test_the_shutter_configuration_is_an_input_beside_the_members():
    """It is in the key, and waited for by name; it does not stand in the association."""
    header = {
        "meta.exposure.type": "NRS_MSASPEC",
        "meta.instrument.msa_metadata_file": "jw01345001001_01_msa.fits",
    }
    entries = [replace(exposure(1), header=canonical(header))]
    alone = Associations(found=(association("spec2", root(1), f"{root(1)}_rate.fits"),))
    shutters = upstream("jw01345001001_01_msa.fits")

    without = PlanSources().plan(entries, alone)
    complete = PlanSources().plan([*entries, shutters], alone)

    assert stages(without) == [["detector1"]]
    (wait,) = without.waits
    assert "jw01345001001_01_msa.fits is not mirrored; add msa to the products" in wait.why
    assert [item.role for item in chains(complete)[0].derivations[1].inputs] == ["science", "msa"]
    assert taken_from_upstream([*entries, shutters], alone, [DEEP]) == (shutters,)


def test_grism_exposures_without_a_mosaic_of_the_recipe_take_mast_s_catalogue():
    """Whether or not it has a stage 3; test_plan_grisms.py has recipes with such a mosaic."""
    catalogue = "jw01345-o001_t001_niriss_f115w_cat.ecsv"
    found = Associations(
        found=(association("spec2", root(1), f"{root(1)}_rate.fits", f"sourcecat:{catalogue}"),)
    )
    entries = [exposure(1, "NIS_WFSS"), upstream(catalogue)]
    rate = made(chains(PlanSources().plan(entries, found))[0], "rate")
    short = replace(DEEP, stages=(1, 2))

    for recipe in (DEEP, short):
        plan = PlanSources().plan_stage(2, available_files(entries, [rate]), found, recipe)

        assert [role for role, _ in inputs(plan)[0]] == ["science", "sourcecat"]


@pytest.mark.parametrize(
    ("exp_type", "pipeline", "waits"),
    [
        ("NRC_DARK", "dark", 0),
        ("MIR_FLATIMAGE", "detector1", 0),
        ("NRS_AUTOWAVE", "detector1", 0),
        ("MIR_MRS", "detector1", 1),
    ],
)
def test_types_without_stage_2_do_not_wait_for_it(exp_type, pipeline, waits):
    """Darks have a pipeline of their own, lamps and flats stop at the rate."""
    plan = PlanSources().plan([exposure(1, exp_type)], Associations())

    assert stages(plan) == [[pipeline]] and len(plan.waits) == waits


# ---- from upstream's products on -------------------------------------------------------------


def test_a_recipe_without_stage_1_starts_from_upstreams_rates():
    """By their science identity, without the raw exposures; stage 1 is not planned."""
    entries = [upstream(f"{root(n)}_rate.fits", cal_ver="1.20.2") for n in (1, 2)]

    first = PlanSources().plan(entries, nods(1, 2), FROM_RATE)
    second = PlanSources().plan_stage(2, available_files(entries), nods(1, 2), FROM_RATE)

    assert first.batches == {} and first.waits == ()
    assert inputs(second)[0] == [
        ("science", f"mast-{root(1)}_rate.fits"),
        ("background", f"mast-{root(2)}_rate.fits"),
    ]
    assert headers_and_pipelines(entries, nods(1, 2), [FROM_RATE]) == (
        (entries[0].header, ("spec2", "spec3")),
    )


def test_a_recipe_of_stage_3_starts_from_upstreams_cals():
    """Nothing but stage 3 is planned, whatever raw exposures are held."""
    cals = [upstream(f"{root(n)}_cal.fits") for n in (1, 2)]
    entries = [exposure(1, SLIT), exposure(2, SLIT), *cals]

    (chain,) = chains(PlanSources().plan_stage(3, available_files(entries), nods(1, 2), FROM_CAL))

    assert chain.product == SPECTRUM
    assert taken_from_upstream(entries, nods(1, 2), [FROM_CAL]) == tuple(cals)


def test_a_member_of_unknown_version_is_not_taken_to_be_like_the_others():
    """MAST says of one what made it, and of the other nothing: it waits, and says so."""
    entries = [upstream(f"{root(n)}_cal.fits", cal_ver=said) for n, said in ((1, "v1"), (2, None))]

    plan = PlanSources().plan_stage(3, available_files(entries), nods(1, 2), FROM_CAL)

    assert plan.batches == {}
    assert "upstream's members are of CAL_VER unknown and v1; it waits" in plan.waits[0].why


@pytest.mark.parametrize(("field", "label"), [("cal_ver", "CAL_VER"), ("crds_ctx", "CRDS_CTX")])
def test_upstreams_members_are_of_one_generation(field, label):
    """Half reprocessed at MAST: it waits, and says with what each was made."""
    entries = [upstream(f"{root(n)}_cal.fits", **{field: f"v{n}"}) for n in (1, 2)]

    plan = PlanSources().plan_stage(3, available_files(entries), nods(1, 2), FROM_CAL)

    assert plan.batches == {}
    assert f"upstream's members are of {label} v1 and v2; it waits" in plan.waits[0].why


def test_what_is_made_of_upstreams_rates_is_of_one_generation_too():
    """Each exposure alone would do; what combines them waits."""
    rates = [upstream(f"{root(n)}_rate.fits", cal_ver=f"v{n}") for n in (1, 2)]
    found = Associations(
        found=(
            *(association("image2", root(n), f"{root(n)}_rate.fits") for n in (1, 2)),
            association("image3", SPECTRUM, *(f"{root(n)}_cal.fits" for n in (1, 2))),
        )
    )
    alone = chains(PlanSources().plan_stage(2, available_files(rates), found, FROM_RATE))
    cals = [made(chain, "cal") for chain in alone]

    plan = PlanSources().plan_stage(3, available_files(rates, cals), found, FROM_RATE)

    assert len(alone) == 2
    assert "of CAL_VER v1 and v2" in plan.waits[0].why


def test_what_upstream_lacks_is_told_with_the_way_out():
    """A product that is not mirrored, and one that cannot be read."""
    cal = upstream(f"{root(1)}_cal.fits")
    broken = replace(upstream(f"{root(2)}_cal.fits"), refusal="it cannot be read as FITS")

    absent = PlanSources().plan_stage(3, available_files([cal]), nods(1, 2), FROM_CAL)
    refused = PlanSources().plan_stage(3, available_files([cal, broken]), nods(1, 2), FROM_CAL)

    assert "recipe deep starts after stage 2; add cal to the products" in absent.waits[0].why
    assert refused.waits[0].why.endswith("it cannot be read as FITS")


@pytest.mark.parametrize(("recipe", "stage"), [(FROM_RATE, 2), (FROM_CAL, 3)])
def test_a_start_without_associations_is_told(recipe, stage):
    """Rates alone do not say what belongs together."""
    available = available_files([upstream(f"{root(1)}_rate.fits")])

    (wait,) = PlanSources().plan_stage(stage, available, Associations(), recipe).waits

    assert wait.product == "program 1345" and f"starts with stage {stage}" in wait.why
