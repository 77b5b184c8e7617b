"""Associations made from pools by the rules of jwst, and what recipes take of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import GONE, Entry, Recipe, ResultFile, Where, canonical
from jwmirror.core.model.association import Associations, root_of
from jwmirror.core.model.stored import PRESENT
from jwmirror.pipeline.associations.pool import ASSOCIATION_SCHEME, generate_associations
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.derivation import is_bound
from jwmirror.pipeline.headers import is_selected
from jwmirror.planning.association_choice import (
    choose_associations,
    describe_unmatched,
    pool_requests,
)
from jwmirror.planning.inputs import AvailableFiles
from tests.setup.plans import PlanSources, chains
from tests.setup.records import association, entry, product

POOLS = sorted(Path(str(files("jwst.associations.tests") / "data")).glob("*.csv"))
ROWS = 14  # of a pool, spread over its types of exposure: the rules take seconds for more
CONTRAST = ("NRC_CORON", "MIR_4QPM", "MIR_LYOT", "MIR_CORONCAL", "NIS_AMI")
HEADER = canonical({"meta.exposure.type": "NRC_IMAGE"})


def spread(rows) -> list[int]:
    """Indices of some rows: whole candidates, of as many types of exposure as there is room for."""
    by_group: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        by_group.setdefault((row["exp_type"], row["asn_candidate"]), []).append(place)
    chosen: list[int] = []
    types = set()
    for (exp_type, _), places in by_group.items():
        if exp_type not in types and len(chosen) < ROWS:
            chosen += places[:ROWS]
            types.add(exp_type)
    return sorted(chosen)


@pytest.fixture(params=POOLS, ids=lambda pool: pool.stem)
def associations(request, tmp_path):
    """What jwst makes of a part of one of its own pools."""
    return associations_of(request.param, spread, tmp_path)


def associations_of(pool: Path, part: Callable[[Any], list[int]], folder: Path):
    """What jwst makes of some rows of a pool, by way of a file as MAST gives them."""
    from jwst.associations.tests.helpers import combine_pools

    rows = combine_pools(str(pool))  # some have templates for names and candidates
    if "asn_candidate" not in rows.colnames:  # one is older than candidates
        rows["asn_candidate"] = [
            f"[('o{int(each):03d}', 'observation')]" for each in rows["obs_num"]
        ]
    rows = rows[part(rows)]
    rows.write(folder / "pool.csv")
    roots = {root_of(name) for name in rows["filename"]}
    return generate_associations(folder / "pool.csv", "pool.csv", roots)


def test_jwst_has_as_many_pools_as_ever():
    """Else the next test would be about fewer, or none."""
    assert len(POOLS) >= 29


def test_every_pool_of_jwst_goes_through_the_mapping(associations):
    """Each association becomes a derivation of the right pipeline with all members, in order."""
    check_mapping(associations)


def test_star_and_companion_go_through_the_mapping(tmp_path):
    """Coronagraphy and fringes, whose parts of the pools are too far apart for a few rows."""
    (pool,) = (each for each in POOLS if each.stem == "pool_018_all_exptypes")

    found = associations_of(pool, in_contrast, tmp_path)

    assert {"coron3", "ami3"} <= {each.asn_type for each in found}
    check_mapping(found)


def in_contrast(rows) -> list[int]:
    """Indices of the rows of coronagraphy and aperture masking."""
    return [place for place, row in enumerate(rows) if row["exp_type"].upper() in CONTRAST]


def check_mapping(associations) -> None:
    """Plan them all with every member made, and compare."""
    recipe = Recipe(name="deep", programs=tuple({each.program for each in associations}))
    names = {member.name for each in associations for member in each.members}
    available = AvailableFiles(
        results={
            (recipe.name, name): ResultFile(filename=name, sha256=name, size=1, identity=name)
            for name in names
        },
        assumed=frozenset(),
        problems={},
        absent={},
        exposures={root_of(name): row(root_of(name)) for name in names},
        starts={},
        upstream={},
    )
    sources, found = PlanSources(), Associations(found=associations)

    plans = [sources.plan_stage(stage, available, found, recipe) for stage in (2, 3)]

    planned = {
        (chain.derivations[0].product, chain.derivations[0].pipeline): chain.derivations[0]
        for plan in plans
        for chain in chains(plan)
    }
    several = [each for each in associations if len(each.members) > 1 or each.stage == 3]
    assert associations
    assert not any(plan.waits or plan.failures for plan in plans)
    assert planned.keys() == {(each.product, each.pipeline) for each in several}
    for each in several:
        derivation = planned[each.product, each.pipeline]
        assert [(item.name, item.role) for item in derivation.inputs] == [
            (member.name, member.exptype) for member in each.members
        ]
        assert each.science and is_bound(derivation)


def row(root: str, header: str = HEADER, **fields: object) -> Entry:
    """A manifest row of a raw exposure."""
    uncal = product(f"{root}_uncal.fits", **fields)
    return entry(uncal, sha256=root, identity=root, header=header)


# ---- what recipes take -----------------------------------------------------------------------

ROOTS = [f"jw0134500{n}001_02101_00001_nrcb1" for n in (1, 2)]
CALS = [f"{root}_cal.fits" for root in ROOTS]
MOSAIC = association("image3", "jw01345-c1001_t001_nircam", *CALS, candidate="c1001")
SINGLES = [association("image2", root, f"{root}_rate.fits") for root in ROOTS]
ARCHIVE = Associations(found=(*SINGLES, MOSAIC))
DEEP = Recipe(name="deep", programs=(1345,))
FIRST = replace(DEEP, select={"observation": ("1",)})


def pool(stamp: str, state: str = PRESENT) -> Entry:
    """A manifest row of a pool."""
    filename = f"jw01345_{stamp}_pool.csv"
    return entry(product(filename, observation="pool"), sha256=stamp, state=state)


def test_the_archive_s_associations_need_no_pool():
    """A recipe of whole programs takes what MAST has."""
    entries = [*map(row, ROOTS), pool("20260101t000000")]

    assert pool_requests(entries, ARCHIVE, [DEEP]) == ()
    assert choose_associations(ARCHIVE, entries, [DEEP], {}, {}).of(DEEP, 3) == (MOSAIC,)


def test_a_part_of_a_program_is_made_from_its_latest_pool():
    """Only the selected exposures enter; one that vanished counts only without another."""
    pools = [pool("20260301t000000", GONE), pool("20260201t000000"), pool("20260101t000000")]
    entries = [*map(row, ROOTS), *pools]
    mine = association("image3", "jw01345-o001_t001_nircam", CALS[0])

    (asked,) = pool_requests(entries, ARCHIVE, [DEEP, FIRST])
    found = choose_associations(ARCHIVE, entries, [DEEP, FIRST], {("deep", 1345): [mine]}, {})

    assert (asked.recipe, asked.pool.sha256, asked.roots) == (
        "deep",
        "20260201t000000",
        (ROOTS[0],),
    )
    assert found.of(FIRST, 3) == (mine,) and found.of(FIRST, 2) == ()


def test_a_program_without_associations_is_made_from_its_pool():
    """MAST's lag, or a config that does not mirror them."""
    entries = [*map(row, ROOTS), pool("20260101t000000")]
    shallow = replace(DEEP, stages=(1,))

    assert [each.roots for each in pool_requests(entries, Associations(), [DEEP])] == [tuple(ROOTS)]
    assert pool_requests(entries, Associations(), [shallow]) == ()


def test_without_a_pool_a_part_has_what_lies_wholly_in_it():
    """A mosaic of more than was selected is not made of less."""
    found = choose_associations(ARCHIVE, map(row, ROOTS), [FIRST], {}, {})

    assert found.of(FIRST, 2) == (SINGLES[0],) and found.of(FIRST, 3) == ()


@pytest.mark.parametrize(
    ("select", "count"),
    [
        ({"filter": ("F200W", "f150w")}, 2),
        ({"filter": ("F200W",)}, 1),
        ({"observation": ("002",), "filter": ("F200W",)}, 0),
    ],
)
def test_selections_go_by_header_and_without_one_by_the_listing(select, count):
    """Every key must match, with any of its values; case and leading zeros do not matter."""
    header = canonical(
        {"meta.instrument.filter": "F200W", "meta.observation.observation_number": "1"}
    )
    entries = [row(ROOTS[0], header=header), row(ROOTS[1], header="", filter="F150W")]
    recipe = replace(DEEP, select=select)

    assert sum(is_selected(recipe, entry) for entry in entries) == count


@pytest.mark.parametrize("name", ["F150W", "CLEAR"])
def test_a_filter_may_stand_in_the_pupil_wheel(name):
    """As that of most NIRISS images; by the header, and by the listing."""
    wheels = {"meta.instrument.filter": "CLEAR", "meta.instrument.pupil": "F150W"}
    entries = [
        row(ROOTS[0], header=canonical(wheels)),
        row(ROOTS[1], header="", filter="CLEAR", pupil="F150W"),
    ]

    assert all(is_selected(replace(DEEP, select={"filter": (name,)}), each) for each in entries)
    assert not is_selected(replace(DEEP, select={"filter": ("F200W",)}), entries[0])


def test_what_a_recipe_says_of_exposures_that_nobody_holds_is_told():
    """A selection and where-blocks without effect; not those that meet one exposure."""
    header = canonical({"meta.instrument.detector": "NRCB1", "meta.instrument.filter": "F200W"})
    entries = [row(ROOTS[0], header=header), row(ROOTS[1], header="")]
    blocks = [{"detector": "nrcb1"}, {"detector": ("NRCA1", "NRCB1"), "filter": "F150W"}]
    recipe = replace(DEEP, where=tuple(Where(match=each, parameters={}) for each in blocks))

    found = list(describe_unmatched(entries, Associations(), recipe))
    other = replace(recipe, select={"filter": ("F150W", "F115W")})
    nothing = list(describe_unmatched(entries, Associations(), other))

    assert found == [
        "where detector NRCA1 or NRCB1, filter F150W matches none of the mirrored exposures"
    ]
    none = "none of the 2 files it could start from matches filter F150W or F115W"
    assert nothing == [none, *found]
    assert not list(describe_unmatched([], Associations(), recipe))
    assert not list(describe_unmatched(entries, Associations(), replace(DEEP, programs=(2,))))


def test_own_files_stand_in_for_all_of_their_stage():
    """One mosaic of the user's own: no other is made, and stage 2 goes on as MAST has it."""
    own = association("image3", "mine", *reversed(CALS), candidate="a3001")
    recipe = replace(DEEP, associations=("mine.json",))

    found = choose_associations(ARCHIVE, map(row, ROOTS), [recipe], {}, {"deep": [own]})

    assert found.of(recipe, 3) == (own,) and len(found.of(recipe, 2)) == 2


def test_an_own_file_may_hold_several_products_and_name_no_program(tmp_path):
    """As asn_from_list and notebooks write them; the program is that of the first member."""
    products = [
        {"name": name, "members": [{"expname": f"{ROOTS[0]}_cal.fits", "exptype": "science"}]}
        for name in ("One", "two")
    ]
    content = {
        "asn_type": "image3",
        "asn_id": "a3001",
        "program": "noprogram",
        "products": products,
    }
    (tmp_path / "mine.json").write_text(json.dumps(content))

    found = read_own_associations(tmp_path / "mine.json")

    assert [(each.product, each.program) for each in found] == [("one", 1345), ("two", 1345)]


@pytest.mark.parametrize("text", ["<html>", "FILENAME|PROGRAM\njw1_uncal.fits|1\n"])
def test_a_pool_that_cannot_be_used_is_told_by_name(text, tmp_path):
    """Not a pool, or without what the rules ask for."""
    (tmp_path / "pool.csv").write_text(text)

    with pytest.raises(
        CalibrationError, match=r"jw00001_x_pool\.csv: jwst cannot make associations"
    ):
        generate_associations(tmp_path / "pool.csv", "jw00001_x_pool.csv", ["jw1"])


def test_nothing_is_generated_of_exposures_that_a_pool_does_not_have(tmp_path):
    """Whatever else is in it; receipts of the first version of the function stay valid."""
    table = "filename|program|asn_candidate\njw1_uncal.fits|1|[('o001', 'observation')]\n"
    (tmp_path / "pool.csv").write_text(table)

    assert generate_associations(tmp_path / "pool.csv", "pool.csv", ["jw2"]) == ()
    assert ASSOCIATION_SCHEME == 1
