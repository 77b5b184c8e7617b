"""Choice of a recipe's associations, case by case: pools, selections, the user's own files."""

from dataclasses import replace

import pytest

from jwmirror.core.model import GONE, Entry, Recipe, Where, canonical
from jwmirror.core.model.association import Associations
from jwmirror.planning.association_choice import (
    PoolRequest,
    choose_associations,
    describe_unmatched,
    pool_requests,
)
from tests.setup.records import association, entry, product

ROOTS = [f"jw0134500{n}001_02101_00001_nrcb1" for n in (1, 2)]
DEEP = Recipe(name="deep", programs=(1345,))
PART = replace(DEEP, name="part", select={"observation": ("1",)})


def exposure(root: str, suffix: str = "uncal", **fields: object) -> Entry:
    """A row of MAST's."""
    number = str(int(root[7:10]))
    header = canonical({"meta.observation.observation_number": number})
    return entry(product(f"{root}_{suffix}.fits", **fields), header=header)


def pool(program: int = 1345, stamp: str = "20260101t000000", **fields: object) -> Entry:
    """A row of a pool."""
    name = f"jw{program:05d}_{stamp}_pool.csv"
    return entry(product(name, program=program, observation="pool"), sha256=stamp, **fields)


RATES = [association("image2", root, f"{root}_rate.fits") for root in ROOTS]
BOTH = association("image3", "jw01345-c1001_t001", *(f"{root}_cal.fits" for root in ROOTS))
ALL = Associations(found=(*RATES, BOTH))
EXPOSURES = [exposure(root) for root in ROOTS]


def test_a_request_names_recipe_program_pool_and_exposures():
    """Of a recipe that takes a part, or whose program has no association."""
    latest = pool(stamp="20260201t000000")

    part = pool_requests([*EXPOSURES, pool(), latest], ALL, [DEEP, PART])
    without = pool_requests([*EXPOSURES, pool()], Associations(), [DEEP])

    given = {"recipe": "part", "program": 1345, "pool": latest}
    assert part == (PoolRequest(roots=(ROOTS[0],), **given),)
    assert without == (PoolRequest(recipe="deep", program=1345, pool=pool(), roots=tuple(ROOTS)),)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(PART, stages=(1,)),
        replace(PART, programs=(2,)),
        replace(PART, select={"observation": ("9",)}),
    ],
)
def test_a_recipe_that_needs_no_pool_asks_for_none(recipe):
    """Of stage 1 only, of a program without pool, or that selects nothing."""
    assert pool_requests([*EXPOSURES, pool()], ALL, [recipe]) == ()


@pytest.mark.parametrize("stages", [(2,), (3,), (1, 2, 3)])
def test_each_stage_of_associations_needs_the_pool(stages):
    """The exposures are those that the recipe can start from."""
    suffix = {1: "uncal", 2: "rate", 3: "cal"}[min(stages)]
    entries = [exposure(ROOTS[0], suffix), exposure(ROOTS[1], "x1d"), pool()]

    (request,) = pool_requests(entries, Associations(), [replace(DEEP, stages=stages)])

    assert request.roots == (ROOTS[0],)


def test_time_series_start_from_their_integrations():
    """rateints and calints, each exposure once."""
    for stages, suffixes in {(2, 3): ("rate", "rateints"), (3,): ("cal", "calints")}.items():
        entries = [*(exposure(ROOTS[0], suffix) for suffix in suffixes), pool()]

        (request,) = pool_requests(entries, Associations(), [replace(DEEP, stages=stages)])

        assert request.roots == (ROOTS[0],)


def test_a_pool_that_mast_lists_goes_before_one_that_vanished():
    """The latest of those that are listed; each program has its own."""
    vanished = pool(stamp="20260301t000000", state=GONE)
    other = exposure("jw02000001001_02101_00001_nrcb1", program=2000)
    entries = [*EXPOSURES, other, vanished, pool(), pool(2000)]

    requests = pool_requests(entries, Associations(), [replace(DEEP, programs=(1345, 2000))])

    assert [(r.program, r.pool) for r in requests] == [(1345, pool()), (2000, pool(2000))]
    assert requests[0].roots == tuple(ROOTS) and len(requests[1].roots) == 1


def test_results_of_recipes_are_no_exposures():
    """Only MAST's rows count; a result has no product."""
    mine = replace(exposure(ROOTS[0]), origin="deep")
    result = replace(mine, product=None)

    assert pool_requests([mine, result, pool()], Associations(), [DEEP]) == ()
    assert list(describe_unmatched([result], Associations(), PART)) == []
    assert choose_associations(ALL, [result], [PART], {}, {}).of(PART, 2) == tuple(RATES)


def test_a_recipe_that_says_nothing_takes_mast_s():
    """Only recipes that differ have a choice of their own."""
    chosen = choose_associations(ALL, EXPOSURES, [DEEP, PART], {}, {}).chosen

    assert chosen == {"part": (RATES[0],)}


def test_generated_associations_replace_those_of_their_program():
    """Those of other programs stay; they are sorted by product."""
    other = association("image3", "jw02000-o001", "jw02000001001_1_1_a_cal.fits", program=2000)
    mine = [association("image3", name, f"{ROOTS[0]}_cal.fits") for name in ("z", "a")]
    recipe = replace(DEEP, programs=(1345, 2000))
    generated = {("deep", 1345): mine, ("quick", 2000): []}

    found = choose_associations(
        Associations(found=(*ALL.found, other)), EXPOSURES, [recipe], generated, {}
    )

    assert found.chosen == {"deep": (mine[1], other, mine[0])}
    assert found.found == (*ALL.found, other)


@pytest.mark.parametrize("stage", [2, 3])
def test_own_associations_replace_all_of_their_stage(stage):
    """And none of the other stage."""
    own = association(f"image{stage}", "mine", f"{ROOTS[1]}_x.fits")
    recipe = replace(DEEP, associations=("mine.json",))

    found = choose_associations(ALL, EXPOSURES, [recipe], {}, {"deep": [own], "other": [BOTH]})

    assert found.of(recipe, stage) == (own,)
    assert found.of(recipe, 5 - stage) == ((BOTH,) if stage == 2 else tuple(RATES))


def test_what_matches_nothing_is_told():
    """The selection with the number of files, and each where-block; only of known headers."""
    blocks = tuple(Where(match={"observation": n}, parameters={}) for n in ("2", "7"))
    recipe = replace(DEEP, select={"observation": ("8",)}, where=blocks)
    unknown = [replace(each, header="") for each in EXPOSURES]

    told = list(describe_unmatched(EXPOSURES, Associations(), recipe))

    assert told == [
        "none of the 2 files it could start from matches observation 8",
        "where observation 7 matches none of the mirrored exposures",
    ]
    assert list(describe_unmatched(unknown, Associations(), replace(recipe, select={}))) == []
    assert list(describe_unmatched(EXPOSURES, Associations(), PART)) == []
    assert list(describe_unmatched(EXPOSURES, Associations(), replace(recipe, programs=(2,)))) == []


def test_a_recipe_without_stages_could_start_from_raw_exposures():
    """The schema refuses it; nothing else does."""
    recipe = replace(DEEP, stages=(), select={"observation": ("8",)})
    entries = [*EXPOSURES, exposure(ROOTS[0], "rate")]

    assert list(describe_unmatched(entries, Associations(), recipe)) == [
        "none of the 2 files it could start from matches observation 8"
    ]
