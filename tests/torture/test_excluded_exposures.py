"""An excluded exposure is in no result, in whatever mode, and whichever stages a recipe has.

The associations are those that jwst makes of pools in its own tests. Each exposure is excluded in
turn. What a result is made of is followed through the recipe's results and MAST's products.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from jwmirror.core import names
from jwmirror.core.model import Entry, Exclusion, Recipe, canonical
from jwmirror.core.model.association import Association, Associations, root_of
from jwmirror.pipeline.associations.pool import generate_associations
from jwmirror.pipeline.registry import stage_that_makes
from jwmirror.planning.association_choice import choose_associations
from tests.setup.level_runs import MAKES, LevelRuns
from tests.setup.records import entry, product

POOLS = {  # of jwst.associations.tests -> the detector of its exposures
    "jw09505_20251216t202003_pool.csv": "mirimage",  # grism exposures of MIRI
    "jw87800_20180412T163456_pool.csv": "nis",  # grism exposures of NIRISS
    "pool_010_spec_nirspec_lv2bkg.csv": "nrs1",  # background observations
    "pool_017_spec_nirspec_lv2imprint.csv": "nrs1",  # imprints
    "pool_024b_nirspec_fss_nods.csv": "nrs1",  # nods
}
STAGES = [(1, 2, 3), (1, 2), (2, 3), (2,), (3,), ()]
STEPS = ("spec2.extract_1d", "spec3.extract_1d")  # of the recipe without stages
Content = dict[str, set[str]]  # identity of a file -> roots of the exposures in it


def associations_of(pool: str, folder: Path) -> tuple[dict[str, str], tuple[Association, ...]]:
    """The EXP_TYPE of each exposure of a pool by root, and all associations of the pool."""
    from jwst.associations.tests.helpers import combine_pools

    rows = combine_pools(str(files("jwst.associations.tests") / "data" / pool))
    rows["filename"] = [
        re.sub(r"^jw_(.{5}).*", rf"jw93125001001_02101_\1_{POOLS[pool]}_uncal.fits", name)
        for name in rows["filename"]
    ]
    rows = rows[[names.is_exposure_root(root_of(name)) for name in rows["filename"]]]
    rows.write(folder / pool)
    types = {root_of(row["filename"]): row["exp_type"].upper() for row in rows}
    return types, generate_associations(folder / pool, pool, types)


def archived(types: dict[str, str], associations: Iterable[Association]) -> list[Entry]:
    """The rows of MAST's files: of all exposures, and of all products of stage 3."""
    of_exposures = [
        (f"{root}_{suffix}.fits", canonical({"meta.exposure.type": exp_type}))
        for root, exp_type in types.items()
        for suffix in ("uncal", "rate", "cal", "x1d", "s2d")
    ]
    combined = [
        (f"{each.product}_{end}", "{}" if end == "s2d.fits" else "")
        for each in associations
        if each.stage == 3
        for end in (*MAKES[each.pipeline], "s2d.fits")
    ]
    return [
        entry(
            product(name, program=names.program_of(name), cal_ver="1", crds_ctx="c"),
            identity=name,
            sha256=name,
            header=header,
        )
        for name, header in dict([*of_exposures, *combined]).items()
    ]


def content_of(entries: Iterable[Entry], associations: Iterable[Association]) -> Content:
    """The exposures in each of MAST's files."""
    content = {each.filename: {root_of(each.filename)} for each in entries}
    for _ in range(3):
        for association in associations:
            made = [
                name
                for name in content
                if not name.endswith("_uncal.fits")
                and (root_of(name), stage_that_makes(name))
                == (association.product, association.stage)
            ]
            for member in association.members:
                for name in made:
                    content[name] |= content.get(member.name, {root_of(member.name)})
    return content


@pytest.mark.parametrize("pool", POOLS)
def test_an_excluded_exposure_is_in_no_result(tmp_path, pool):
    """Not as background, imprint or nod, nor through a mosaic or an exposure of MAST."""
    types, associations = associations_of(pool, tmp_path)
    entries = archived(types, associations)
    programs = tuple({each.program for each in associations})
    results = 0

    for stages in STAGES:
        for root in types:
            exclude = (Exclusion(match={"file": f"{root}*"}, because="x"),)
            recipe = Recipe(name="deep", programs=programs, stages=stages, exclude=exclude)
            recipe = recipe if stages else replace(recipe, steps=STEPS)
            found = Associations(found=associations)
            chosen = choose_associations(found, entries, [recipe], {}, {})
            runs = LevelRuns(tmp_path / "mirror", chosen, entries)
            runs.run(recipe)
            content = content_of(entries, associations)
            for derivation, made in runs.made:
                inside = set().union(*(content[item.identity] for item in derivation.inputs))
                assert root not in inside, (stages, derivation.pipeline, derivation.product)
                content |= {file.identity: inside for file in made}
                results += 1

    assert results > len(types)
