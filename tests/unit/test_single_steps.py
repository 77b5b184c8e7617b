"""Steps that are run alone, on files of MAST or on the results of another recipe."""

import re
from dataclasses import replace

import pytest

from jwmirror.core.errors import ConfigError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Exclusion, Failure, Receipt, Recipe, Where, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import LEVELS_WITHOUT_GRISMS, STEPS, JobLimits
from jwmirror.engine.batch import calibrate
from jwmirror.engine.measuring import StageObserver
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.derivation import differences
from jwmirror.pipeline.headers import crds_header, parse_header
from jwmirror.pipeline.identity import identified_version
from jwmirror.pipeline.parameters.resolution import resolve
from jwmirror.pipeline.registry import pars_types, reference_types, steps_of
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.inputs import available_files, taken_from_upstream
from jwmirror.planning.plan import headers_and_pipelines
from jwmirror.planning.resolvers.by_environment import resolvers_of
from jwmirror.planning.resolvers.local import ResolvedStage
from jwmirror.planning.single_steps import plan_steps
from jwmirror.services.inspect.recipe_preview import parameter_origins
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore
from jwmirror_simulator.observatory import Observatory
from tests.setup.calibration import FolderResults
from tests.setup.configs import parse
from tests.setup.plain_jwst import differing_arrays
from tests.setup.plans import DEEP, MOSAIC, PlanSources, chains, exposure, image2, image3, root
from tests.setup.records import (
    association,
    derivation,
    entry,
    product,
    result,
    result_file,
    science,
)

DONE = "meta.cal_step.extract_1d"
SLIT = re.compile(r"jw01346-o\d{3}_.*_p750l-.*_s2d\.fits")
STEP = "image3.source_catalog"
WIDE = {"image3": {"source_catalog": {"snr_threshold": 9.0}, "tweakreg": {"skip": True}}}
CATALOGUE = Recipe(name="catalogue", programs=(1345,), stages=(), steps=(STEP,), parameters=WIDE)
OF_DEEP = replace(CATALOGUE, products_of="deep")


def image(**header):
    """A combined image of MAST."""
    values = {"meta.exposure.type": "NRC_IMAGE", "meta.instrument.filter": "F200W", **header}
    given = {"header": canonical(values), "identity": "mast-1", "sha256": "5" * 64}
    return entry(product(f"{MOSAIC}_i2d.fits"), **given)


def planner(root, entries, recipes, associations=None, sources=None):
    """Plans of a mirror with these files."""
    sources, results = sources or PlanSources(), ResultStore(root)
    results.recall, results.published_derivation = sources.results.get, sources.published
    holdings = Holdings(tuple(entries), associations or Associations())
    return LevelPlanner(holdings, recipes, sources.resolvers, results)


def test_a_step_takes_a_file_of_mast(tmp_path):
    """No stage is planned; the derivation has the parameters of the pipeline."""
    *levels, plan = planner(tmp_path, [image()], [CATALOGUE]).plan_levels()

    (chain,), (made,) = chains(plan), chains(plan)[0].derivations
    assert [chains(level) for level in levels] == [[], [], []]
    assert (made.pipeline, made.product, made.stage) == (STEP, MOSAIC, 3)
    assert [(item.name, item.identity) for item in made.inputs] == [
        (f"{MOSAIC}_i2d.fits", "mast-1")
    ]
    assert made.parameters == {"steps": WIDE["image3"]}  # PlanSources leaves them as they are
    assert (chain.recipe, chain.observation) == ("catalogue", "o001")


def test_only_runs_with_steps_have_the_level_of_steps(tmp_path):
    """Runs without such a recipe have the same levels, and so the same jobs, as before."""
    with_steps = planner(tmp_path, [image()], [DEEP, CATALOGUE]).plan_levels()
    without = planner(tmp_path, [image()], [DEEP]).plan_levels()

    assert with_steps[0].levels == (*LEVELS_WITHOUT_GRISMS, STEPS)
    assert without[0].levels == LEVELS_WITHOUT_GRISMS


def test_a_step_that_was_run_on_its_input_is_refused(tmp_path):
    """S_SRCCAT of the image says COMPLETE."""
    done = image(**{"meta.cal_step.source_catalog": "COMPLETE"})

    *_, plan = planner(tmp_path, [done], [CATALOGUE]).plan_levels()

    (failure,) = plan.failures
    assert chains(plan) == [] and failure.cause == "input"
    assert "source_catalog was run on it" in failure.why and f"{MOSAIC}_i2d" in failure.why


@pytest.mark.parametrize(
    "select, count",
    [({"filter": ("F200W",)}, 1), ({"filter": ("F444W",)}, 0), ({"exp_type": ("MIR_IMAGE",)}, 0)],
)
def test_a_recipe_selects_the_files_that_its_steps_take(tmp_path, select, count):
    """As it selects exposures; if there is none, it says which files to mirror."""
    *_, plan = planner(tmp_path, [image()], [replace(CATALOGUE, select=select)]).plan_levels()

    assert len(chains(plan)) == count
    assert [wait.product for wait in plan.waits] == ["program 1345"] * (1 - count)
    assert all("add i2d to the products of program 1345" in wait.why for wait in plan.waits)


def test_the_files_and_their_references_are_read_before(tmp_path):
    """So the plan knows content and header, and the references of the step alone are synced."""
    files = taken_from_upstream([image(), exposure(1)], Associations(), [CATALOGUE])
    wanted = headers_and_pipelines([image()], Associations(), [CATALOGUE])

    assert [file.filename for file in files] == [f"{MOSAIC}_i2d.fits"]
    assert wanted == ((image().header, (STEP,)),)


def test_a_header_of_a_product_does_not_stand_for_its_exposure():
    """Stage-2 products have the root of the exposure, whose header decides about references."""
    spectrum = entry(product("jw01345001001_02101_00001_nrs1_s2d.fits"), header="{}")

    assert available_files([spectrum]).starts == {}


def made_by_deep(recipe="deep", name=f"{MOSAIC}_i2d.fits"):
    """The receipt of a mosaic."""
    files = (result_file(name, "deep-1"), result_file(f"{MOSAIC}_cat.ecsv", "deep-2"))
    return Receipt(results=(replace(result("image3", MOSAIC, *files), recipe=recipe),))


def plan_after(tmp_path, receipt, recipe=OF_DEEP):
    """The plan of steps after a run of stage 3 with this receipt."""
    sources = PlanSources()
    steps = planner(tmp_path, [exposure(1), image()], [DEEP, recipe], image3(1), sources)
    empty = planner(tmp_path, [], [DEEP, recipe], None, sources).plan_levels()[:3]
    (plan,) = steps.plan_levels(empty, [receipt])
    return plan


def test_a_step_takes_the_result_of_the_recipe_that_it_extends(tmp_path):
    """And not MAST's file of the same name; other files of the result are no inputs."""
    plan = plan_after(tmp_path, made_by_deep())

    (made,) = chains(plan)[0].derivations
    assert [(item.name, item.identity) for item in made.inputs] == [
        (f"{MOSAIC}_i2d.fits", "deep-1")
    ]
    assert [chain.recipe for chain in chains(plan)] == ["catalogue"]


def test_a_step_on_a_large_mosaic_needs_memory_for_it(tmp_path):
    """Which may be larger than the detector, from whose pixels stages are estimated."""
    made = made_by_deep()
    (mosaic,) = made.results
    large = tuple(replace(file, size=9 * 10**9) for file in mosaic.files)

    plan = plan_after(tmp_path, replace(made, results=(replace(mosaic, files=large),)))

    assert chains(plan)[0].memory > 25e9


def test_a_step_waits_with_the_recipe_that_it_extends(tmp_path):
    """Its own earlier result stays published, because the product is named."""
    failure = Failure(MOSAIC, "no sources", "deep", MOSAIC)

    plan = plan_after(tmp_path, Receipt(failures=(failure,)))

    (wait,) = plan.waits
    assert (wait.recipe, wait.product, wait.cause) == ("catalogue", MOSAIC, "failed")
    assert wait.why == f"{STEP} takes i2d; recipe deep: no sources"


def test_a_step_waits_for_exposures_that_are_not_mirrored(tmp_path):
    """Whose headers are unknown, so that the other recipe waits, too."""
    recipes, sources = [DEEP, OF_DEEP], PlanSources()

    *_, third, plan = planner(tmp_path, [], recipes, image3(1), sources).plan_levels()

    assert [(wait.recipe, wait.product) for wait in plan.waits] == [("catalogue", MOSAIC)]
    assert plan.waits[0].why == f"{STEP} takes i2d; recipe deep: {third.waits[0].why}"


def test_a_where_block_that_meets_a_part_of_the_exposures_is_noted(tmp_path):
    """It is not applied, as in a stage; blocks with parameters of other steps do not count."""
    where = tuple(
        Where(match={"detector": "nrcb1"}, parameters={"image3": {step: {"snr_threshold": 1.0}}})
        for step in ("source_catalog", "tweakreg")
    )
    other = exposure(2, header=canonical({"meta.instrument.detector": "NRCB2"}))
    sources, recipe = PlanSources(), replace(OF_DEEP, where=where)
    builder = sources.builder(available_files([exposure(1), other]))

    plan_steps(builder, image3(1, 2), [recipe], made_by_deep().results)

    plan = builder.build(JobLimits())
    assert [(each.product, each.members) for each in plan.partial_matches] == [
        (MOSAIC, (f"{root(1)}_cal.fits",))
    ]
    assert chains(plan)[0].derivations[0].parameters == {"steps": WIDE["image3"]}


def test_a_result_without_such_a_product_is_unsupported(tmp_path):
    """Spectra of grism exposures have neither cube nor image."""
    plan = plan_after(tmp_path, made_by_deep(name=f"{MOSAIC}_x1d.fits"))

    (wait,) = plan.waits
    assert chains(plan) == [] and wait.cause == "unsupported"
    assert wait.why.endswith(f"deep made {MOSAIC}_cat.ecsv, {MOSAIC}_x1d.fits of {MOSAIC}")


def test_exposures_are_combined_in_the_order_of_the_association(tmp_path):
    """The files of a result are sorted by name; sums depend on the order."""
    product = "jw01345-o001_t001_miri"
    names = [f"{root(number)}_o001_crf.fits" for number in (1, 2)]
    files = tuple(result_file(name, f"id-{name}") for name in names)
    made = replace(result("spec3", product, *files), recipe="deep")
    members = [f"{root(number)}_cal.fits" for number in (2, 1)]
    cubes = Recipe(name="cubes", programs=(), steps=("spec3.cube_build",), products_of="deep")
    builder = PlanSources().builder(available_files([exposure(1), exposure(2)]))

    plan_steps(
        builder, Associations(found=(association("spec3", product, *members),)), [cubes], [made]
    )

    (made,) = chains(builder.build(JobLimits()))[0].derivations
    assert [item.name for item in made.inputs] == names[::-1]


def test_a_preview_counts_the_steps_of_results_to_be_made(tmp_path):
    """Their content is not known yet."""
    both = Associations(found=(*image2(1).found, *image3(1).found))
    steps = planner(tmp_path, [exposure(1)], [DEEP, OF_DEEP], both)

    *_, plan = steps.plan_levels(is_preview=True)

    (chain,) = chains(plan)
    assert [item.identity for item in chain.derivations[0].inputs] == [""]


# ---- exclusions --------------------------------------------------------------------------------

EXCLUDE = (Exclusion(match={"exposure": 1}, because="guide star lost"),)


@pytest.mark.parametrize(
    "recipe, advice",
    [
        (CATALOGUE, "MAST's is made of .*; extend a recipe that makes it of the others"),
        (OF_DEEP, "that of recipe deep is made of .*; exclude them there"),
    ],
)
def test_a_product_with_an_excluded_exposure_is_not_taken(tmp_path, recipe, advice):
    """Whoever made it: MAST, or a recipe that does not exclude the exposure."""
    plan = plan_after(tmp_path, made_by_deep(), replace(recipe, exclude=EXCLUDE))

    (wait,) = plan.waits
    assert chains(plan) == [] and (wait.recipe, wait.product) == ("catalogue", MOSAIC)
    assert re.search(f"{root(1)}_cal.fits: guide star lost.*", wait.why)
    assert re.search(advice, wait.why)


def test_an_excluded_exposure_of_mast_has_no_step(tmp_path):
    """It is listed with what the recipe excludes, and is not missing."""
    names = [f"{root(number)}_s2d.fits" for number in (1, 2)]
    files = [entry(product(name), header="{}") for name in names]
    recipe = replace(CATALOGUE, steps=("spec2.extract_1d",), exclude=EXCLUDE)

    *_, plan = planner(tmp_path, files, [recipe]).plan_levels()

    assert [chain.product for chain in chains(plan)] == [root(2)] and plan.waits == ()
    assert [each.files for each in plan.excluded] == [{names[0]: "guide star lost"}]


# ---- parameters and references -----------------------------------------------------------------


def test_a_step_has_the_parameters_that_it_has_in_its_pipeline():
    """And none of other steps; that it is skipped or does not save there plays no part."""
    layers = [{"steps": {"extract_1d": {"skip": True, "save_results": False, "ifu_rscale": 2}}}]

    alone = resolve("spec3.extract_1d", layers).parameters
    whole = resolve("spec3", [{"steps": {"extract_1d": {"ifu_rscale": 2}}}]).parameters

    expected = dict(whole["steps"]["extract_1d"])
    assert {expected.pop("skip"), expected.pop("save_results")} == {False}
    assert alone == {"steps": {"extract_1d": expected}} and expected["ifu_rscale"] == 2.0


def origins_of_a_step(tmp_path, recipe, monkeypatch):
    """The sources of a step's parameters by the header that decided about them, or why not."""
    made_of = science(f"{root(1)}_cal.fits")
    results, sources = ResultStore(tmp_path), PlanSources()
    sources.derivations["deep", MOSAIC, "image3"] = derivation("image3", MOSAIC, inputs=(made_of,))
    results.published_derivation = sources.published
    pars = {"steps": {"source_catalog": {"kernel_fwhm": 2.0}}}
    sources.pars = lambda pipeline, header: [(f"{pipeline} by {header}", pars)]
    alone = {"steps": {"source_catalog": {"kernel_fwhm": 2.0, "snr_threshold": 9.0}}}
    monkeypatch.setattr(
        sources, "resolve", lambda *_: ResolvedStage(parameters=alone, references={})
    )
    made = derivation(STEP, MOSAIC, inputs=(science(f"{MOSAIC}_i2d.fits"),), parameters=alone)
    entries = [image(), exposure(1)]
    return parameter_origins(made, recipe, entries, sources.resolvers, results)


@pytest.mark.parametrize(
    "recipe, header", [(CATALOGUE, image().header), (OF_DEEP, exposure(1).header)]
)
def test_explain_names_the_sources_of_parameters(tmp_path, monkeypatch, recipe, header):
    """The header that decides is as in the plan: MAST's file's, or that of deep's exposures."""
    origins, note = origins_of_a_step(tmp_path, recipe, monkeypatch)

    assert note == "" and origins == {
        "source_catalog.kernel_fwhm": f"{STEP} by {header}",
        "source_catalog.snr_threshold": "recipe catalogue",
    }


def test_sources_are_unknown_without_the_result_of_the_other_recipe(tmp_path, monkeypatch):
    """Its exposures are not known then."""
    recipe = replace(OF_DEEP, products_of="quick")

    origins, note = origins_of_a_step(tmp_path, recipe, monkeypatch)

    assert origins == {} and f"recipe quick has no published result {MOSAIC}" in note


def test_a_step_needs_its_own_references_alone():
    """Those of parameters are of the step and of its pipeline, as there."""
    assert reference_types("image3.source_catalog") == ["apcorr", "abvegaoffset"]
    assert pars_types("image3.source_catalog") == {
        "source_catalog": "pars-sourcecatalogstep", "": "pars-image3pipeline",
    }  # fmt: skip


def test_a_step_alone_differs_from_its_pipeline_in_what_both_have():
    """Parameters of the other steps, references of them and inputs are not listed."""
    spec3 = {"steps": {"extract_1d": {"ifu_rscale": 1.0, "skip": False}, "cube_build": {"a": 1}}}
    old = derivation(pipeline="spec3", parameters=spec3, references={"apcorr": ("a", "1")})
    alone = {"steps": {"extract_1d": {"ifu_rscale": 2.0}}}

    found = differences(old, replace(old, pipeline="spec3.extract_1d", parameters=alone, inputs=()))

    assert [reason.what for reason in found] == [
        "spec3.extract_1d: pipeline", "spec3.extract_1d: extract_1d.ifu_rscale",
    ]  # fmt: skip


# ---- the config --------------------------------------------------------------------------------

EXTRACT = {"steps": ["spec3.extract_1d"]}


@pytest.mark.parametrize(
    "recipes, expected",
    [
        ({"w": EXTRACT}, ((), ("spec3.extract_1d",), "")),
        ({"w": {"extends": "deep", **EXTRACT}}, ((), ("spec3.extract_1d",), "deep")),
        ({"a": {"extends": "deep", **EXTRACT}, "w": {"extends": "a"}},
         ((), ("spec3.extract_1d",), "deep")),
        ({"a": {"extends": "deep", **EXTRACT}, "w": {"extends": "a", "steps": [STEP]}},
         ((), (STEP,), "deep")),
        ({"a": {"extends": "deep", **EXTRACT}, "w": {"extends": "a", "stages": [3]}},
         ((3,), (), "")),
        ({"a": EXTRACT, "w": {"extends": "a"}}, ((), ("spec3.extract_1d",), "")),
        ({"a": {"extends": "deep", **EXTRACT}, "b": {"extends": "a"},
          "w": {"extends": "b", "steps": [STEP]}}, ((), (STEP,), "deep")),
    ],
)  # fmt: skip
def test_steps_take_the_products_of_the_recipe_that_is_extended(recipes, expected):
    """The next one with stages; `stages` and `steps` replace each other."""
    raw = {"programs": [{"program": 1345}], "recipes": {"deep": {"stages": [1, 2, 3]}, **recipes}}

    found = {recipe.name: recipe for recipe in parse(raw, False).recipes}["w"]

    assert (found.stages, found.steps, found.products_of) == expected


@pytest.mark.parametrize(
    "recipe, mistake",
    [
        ({"steps": ["spec3.extract1d"]}, "steps: unknown step.*did you mean 'spec3.extract_1d'"),
        ({"steps": ["image3.tweakreg"]}, "steps: unknown step"),
        ({"steps": [STEP], "stages": [3]}, "runs stages or steps, not both"),
        ({"steps": ["spec3.cube_build"]}, "add `extends`"),
        ({"steps": [STEP], "extends": "quick"}, "recipe quick, .* does not run that stage"),
        ({"steps": [STEP], "keep": ["ramp"]}, "keep: has no effect on single steps"),
        ({"steps": 5}, "steps.*found 5"),
    ],
)
def test_steps_that_cannot_run_are_mistakes(recipe, mistake):
    """Each says what to write instead."""
    recipes = {"quick": {"stages": [1, 2]}, "w": recipe}
    raw = {"programs": [{"program": 1345}], "recipes": recipes}

    with pytest.raises(ConfigError, match=mistake):
        parse(raw, False)


# ---- in a worker -------------------------------------------------------------------------------


def test_a_step_is_announced_as_in_its_pipeline():
    """It has no inner steps that could be."""
    begun = []
    observed = StageObserver(begun.append).observed(steps_of(STEP)["source_catalog"])

    with pytest.raises(FileNotFoundError):  # jwst's own method runs after that
        observed().process("no_i2d.fits")

    assert begun == ["source_catalog"]


def stored_row(path, store):
    """The row of a file of MAST, with its bytes in a store."""
    version = identified_version(product(path.name), path, sha256_of(path), path.stat().st_size)
    store.folder.mkdir(exist_ok=True)
    store.locate(version.sha256).symlink_to(path.absolute())
    facts = {"sha256": version.sha256, "identity": version.identity}
    return entry(version.product, header=version.header, **facts)


@pytest.mark.slow
def test_an_extraction_equals_that_of_its_pipeline(built_modes, tmp_path, monkeypatch):
    """With equal parameters, on MAST's spectrum of two nods; with others it is another one."""
    cache, archive = built_modes / "crds", Observatory.open(built_modes).archive
    for name, value in crds_environment(cache, "jwst_0001.pmap").items():
        monkeypatch.setenv(name, value)
    (name,) = (name for name in archive.filenames() if SLIT.fullmatch(name))
    store = FolderResults(tmp_path / "objects")
    row = stored_row(archive.path(name), store)
    here = {"spec3": {"extract_1d": {"use_source_posn": False}}}
    same = Recipe(name="same", programs=(), stages=(), steps=("spec3.extract_1d",))
    resolvers = resolvers_of(cache, "jwst_0001.pmap")
    builder = PlanBuilder(available_files([row]), resolvers, store.recall, lambda *_: None)
    plan_steps(builder, Associations(), [same, replace(same, name="here", parameters=here)], [])

    planned = chains(builder.build(JobLimits()))
    receipt = calibrate(planned, store, 1, tmp_path / "work", tmp_path / "logs", 100.0)

    assert receipt.failures == ()
    spectra = {}
    for made in receipt.results:
        (file,) = made.files
        spectra[made.recipe] = tmp_path / f"{made.recipe}.fits"
        spectra[made.recipe].symlink_to(store.locate(file.sha256))
    plain = archive.path(name.replace("_s2d", "_x1d"))
    assert differing_arrays(spectra["same"], plain) == []
    assert parse_header(crds_header(plain, plain.name))[DONE] == "COMPLETE"  # as a refusal reads
    assert "EXTRACT1D,1,FLUX" in differing_arrays(spectra["here"], plain)
    measured = store.measured[receipt.results[0].key]
    assert measured.steps == {"extract_1d": "COMPLETE"} and measured.members == {}
