"""What a run would do with the config as it is now, and how status tells it."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from jwmirror.cli import app
from jwmirror.core.model import Chain, Input, Plan, Poll, Reason, Recipe, Scope, Where, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import INPUTS_RECOMPUTED, JobLimits, Published
from jwmirror.core.model.quality import CAVEAT, Acceptance, Caveat, JudgedResult, Quality
from jwmirror.core.model.run import Run
from jwmirror.pipeline.derivation import engine_versions, software_versions
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.inputs import available_files
from jwmirror.planning.levels import AssociationLevel
from jwmirror.planning.plan import plan_associations
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.resolvers.local import ResolvedStage
from jwmirror.planning.resolvers.parameter_sources import (
    parameter_sources,
    parameters_set_otherwise,
)
from jwmirror.report.explanation import RecipePreview, StagePreview
from jwmirror.report.status import Preview, build_status
from jwmirror.report.terminal.explain import outlook_page
from jwmirror.services.inspect.preview import UNPUBLISHED
from jwmirror.store.provenance import keep_acceptance
from tests.setup import records
from tests.setup.command_line import answer, run
from tests.setup.records import association, derivation, entry, listing, product, result
from tests.unit.test_allowed_environments import MARKER, make_environment

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
HEADER = canonical({"meta.exposure.type": "NRC_IMAGE", "meta.instrument.name": "NIRCAM"})
NAME = "jump.rejection_threshold"
THRESHOLD = Reason(f"detector1: {NAME}", "4.0", "5.0", "detector1", "parameter", NAME)


# ---- plans of what is still to come ----------------------------------------------------------


class Anything:
    """Settles everything, without parameters or references."""

    context = "jwst_0001.pmap"

    @property
    def engine(self):
        """The versions that are installed."""
        return engine_versions()

    @property
    def software(self):
        """The other versions that are installed."""
        return software_versions()

    def resolve(self, pipeline, header, asked):
        """As a resolver does."""
        return ResolvedStage(parameters={"steps": {}}, references={})


ANYTHING = Resolvers(Anything.context, lambda python, context: Anything())


def pending(product: str, *pipelines: str) -> Chain:
    """Stages of recipe `deep` still to be computed, because of another threshold."""
    derivations = (derivation(name, product, inputs=()) for name in pipelines)
    return records.chain(*derivations, reasons=(THRESHOLD,))


def test_what_a_plan_waits_for_has_a_level_and_no_jargon():
    """Of an association, why its inputs change; where nothing says why, which ones do.

    That is so for files from MAST: rates that a recipe starts from, or a shutter configuration. Of
    many, only that they change.
    """

    def of_inputs(*roots: str) -> tuple[Reason, ...]:
        names = [f"{root}_cal.fits" for root in roots]
        what = "image3: science content of"
        return tuple(Reason(f"{what} {n}", "a", "b", "image3", "inputs", n) for n in names)

    mosaic = replace(pending(MOSAIC, "image3"), reasons=of_inputs(EXPOSURE, "another"))
    other = replace(pending("mosaic", "image3"), reasons=of_inputs(*"123456789"))
    plans = (
        Plan(context="c", batches={"b": (pending(EXPOSURE, "detector1", "image2"),)}),
        Plan(context="c", batches={"b": (mosaic, other)}),
    )
    place_of = {("deep", THRESHOLD): "line 41 of config.yaml"}

    found = build_status(
        "m", None, (), Run(id="r"), Preview(plans=plans), place_of=lambda *of: place_of.get(of, "")
    ).out_of_date

    assert [each.level for each in found] == ["exposure", "association", "association"]
    why = "jump.rejection_threshold 4.0 -> 5.0 (detector1, line 41 of config.yaml)"
    assert found[0].reasons == (why,)
    assert found[1].reasons == (why, "another_cal.fits has other content (image3)")
    assert found[2].reasons == ("its inputs change",)


def test_results_made_before_are_out_of_date_and_not_computed():
    """What just has to be published is told with what is to be computed of the same exposure."""
    done = Plan(context="c", batches={"b": (pending(EXPOSURE, "image2"),)}, done=())
    done = replace(done, done=(result("detector1", EXPOSURE), result("detector1", "other")))
    ready = (pending(EXPOSURE, "detector1"),)

    (found,) = build_status(
        "m", None, (), Run(id="r"), Preview(plans=(done,), ready=ready)
    ).out_of_date

    assert (found.product, found.pipelines, found.ready) == (EXPOSURE, ("image2",), ("detector1",))


# ---- the command line on a mirror whose references were never synced -------------------------


@pytest.fixture
def unsynced(small_mirror, tmp_path):
    """A mirror with an exposure that can be planned, and a config whose cache is empty."""
    mirror = small_mirror
    path = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
    mirror.rows[path] = replace(mirror.rows[path], header=HEADER, identity="ab" * 32)
    mirror.publish()
    mirror.record("published.json", Published(generation=2, is_new=True))
    return mirror, configured(tmp_path, mirror, recipes={"deep": {"stages": [1]}})


def configured(folder: Path, mirror, **changes) -> Path:
    """A config for a mirror."""
    config = {
        "mirror": str(mirror.root),
        "programs": [{"program": 1345}],
        "references": {"cache": str(folder / "cache")},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))
    return folder / "config.yaml"


def test_what_was_never_synced_is_unknown_and_no_error(unsynced, tmp_path):
    """Exposures whose references are not in the cache are named, with what gets them."""
    _, config = unsynced

    found = answer("plan", "--config", config)

    assert found["previewed"]
    assert [each["product"] for each in found["unknown"]] == [EXPOSURE]
    assert "jwst_1464.pmap is not in the reference cache" in found["unknown"][0]["why"]
    assert [each["name"] for each in found["failures"]] == ["late_exposure"]
    assert found["out_of_date"] == []
    assert "Unknown until the next run (1)" in run("plan", "--config", config)


def test_results_of_an_environment_that_is_not_allowed_are_unknown(unsynced, tmp_path):
    """`plan`, `status` and `explain` do not run it, and say how to allow it."""
    mirror, _ = unsynced
    environment = make_environment(tmp_path / "theirs", "exit 1")
    recipes = {"old": {"stages": [1], "environment": "theirs"}}
    environments = {"theirs": str(environment)}
    config = configured(tmp_path, mirror, recipes=recipes, environments=environments)
    context = tmp_path / "cache" / "mappings" / "jwst" / "jwst_1464.pmap"
    context.parent.mkdir(parents=True)
    context.touch()

    (unknown,) = answer("plan", "--config", config)["unknown"]
    pages = (
        run("status", "--config", config),
        run("explain", f"{EXPOSURE}_uncal.fits", "--config", config),
    )

    assert (unknown["product"], unknown["cause"]) == (EXPOSURE, "environment")
    assert all("--allow-environments" in page for page in (unknown["why"], *pages))
    assert not (environment / MARKER).exists()


def test_last_run_is_told_where_it_is_asked_for(unsynced):
    """--last-run, or a mirror and no config: nothing is planned anew."""
    mirror, config = unsynced

    for words in (["--config", config, "--last-run"], ["--mirror", mirror.root]):
        found = answer("status", *words)

        assert not found["previewed"]
        assert [each["product"] for each in found["out_of_date"]] == ["late_exposure"]


@pytest.mark.parametrize(
    ("command", "dropped"),
    [
        (
            ["status", "--last-run", "--config", "{config}"],
            ["--set", "deep.detector1.jump.skip=true"],
        ),
        (["status", "--mirror", "{mirror}"], ["--set", "nonsense"]),
        (["plan", "--mirror", "{mirror}"], ["--set", "nonsense"]),
        (["plan", "--mirror", "{mirror}"], ["--context", "latest"]),
        (["explain", "x.fits", "--mirror", "{mirror}"], ["--set", "nonsense"]),
    ],
)
def test_an_option_that_needs_a_config_is_not_dropped(unsynced, command, dropped):
    """Without a config it would have no effect: exit code 2, and the next step."""
    mirror, config = unsynced
    words = [word.format(config=config, mirror=mirror.root) for word in command]

    said = run(*words, *dropped, code=2)

    assert said.startswith(f"{dropped[0]}: ")
    assert "add --config FILE" in said or "leave out --last-run" in said


def test_notes_tell_what_else_the_next_run_changes(unsynced, tmp_path):
    """A program that was never asked for, and a recipe that went."""
    mirror, _ = unsynced
    mirror.record("changes.json", Poll(listings=(listing(program=1345),), changes=()))
    (mirror.run_folder / "published.json").unlink()
    programs = [{"program": 1345}, {"program": 99}]

    config = configured(tmp_path, mirror, programs=programs)

    found = answer("status", "--config", config)

    assert [note.split(":")[0] for note in found["notes"]] == [
        f"program 99 was not polled yet; `jwmirror run --config {config}` polls it.",
        "recipe deep is not in the config",
    ]


def test_notes_tell_which_files_the_config_does_not_select_any_more(unsynced, tmp_path):
    """Before the next run marks them, or removes them."""
    mirror, _ = unsynced
    programs = [{"program": 1345, "observations": [77]}]

    found = answer("status", "--config", configured(tmp_path, mirror, programs=programs))

    (note,) = (note for note in found["notes"] if "not selected" in note)
    assert note.startswith("program 1345: ") and note.endswith("keeps them, and marks them.")


def test_notes_say_how_many_results_are_held_back(unsynced, tmp_path):
    """Those that were accepted since are published by the next run."""
    mirror, config = unsynced
    quality = Quality(word=CAVEAT, caveats=(Caveat(cause="empty", message="m", subject="s"),))
    held_back = [
        JudgedResult(
            recipe="deep",
            pipeline="detector1",
            product=EXPOSURE,
            key=key,
            files=(),
            quality=quality,
            is_published=False,
        )
        for key in ("aa" * 32, "bb" * 32, "cc" * 32)
    ]
    mirror.record("held-back.json", held_back)
    accepted = Acceptance(
        key="cc" * 32,
        recipe="deep",
        product=EXPOSURE,
        pipeline="detector1",
        caveats=(),
        because="b",
        who="w",
        accepted_at="2026-03-01T12:00:00+00:00",
    )
    keep_acceptance(mirror.root, accepted)

    notes = answer("plan", "--config", config)["notes"]

    assert [note.partition(";")[0] for note in notes if " result" in note] == [
        "the last run held back 2 results because of quality",
        "the next run publishes 1 result accepted since the last one.",
    ]


def test_notes_tell_which_where_blocks_match_nothing(unsynced, tmp_path):
    """By the exposures that are held: their parameters would be asked for in vain."""
    mirror, _ = unsynced
    blocks = [
        {"match": {"instrument": name}, "parameters": {"detector1": {"jump": {"skip": True}}}}
        for name in ("NIRCAM", "MIRI")
    ]
    recipes = {"deep": {"stages": [1], "where": blocks}}

    notes = answer("plan", "--config", configured(tmp_path, mirror, recipes=recipes))["notes"]

    told = [note for note in notes if "matches none" in note]
    assert told == ["recipe deep: where instrument MIRI matches none of the mirrored exposures"]


def test_the_plan_and_explain_name_excluded_exposures_and_what_matches_none(unsynced, tmp_path):
    """With the reasons."""
    mirror, _ = unsynced
    items = [{"file": f"{EXPOSURE}*", "because": "guide star lost"},
             {"file": "jw01345009*", "because": "no such observation"}]  # fmt: skip
    recipes = {"deep": {"stages": [1], "exclude": items}}
    config = configured(tmp_path, mirror, recipes=recipes)

    plan = answer("plan", "--config", config)
    explained = answer("explain", f"{EXPOSURE}_uncal.fits", "--config", config)
    ((wait,),) = (outlook["waits"] for outlook in explained["outlooks"])

    raw = f"{EXPOSURE}_uncal.fits"
    assert plan["excluded"] == [
        {"recipe": "deep", "product": EXPOSURE, "files": {raw: "guide star lost"}, "is_made": False}
    ]
    assert [note for note in plan["notes"] if "matches none" in note] == [
        "recipe deep: exclude file jw01345009* (no such observation) matches none of the mirrored "
        "exposures"
    ]
    assert wait["why"] == f"not made; excluded: {raw}: guide star lost"


def test_a_poll_that_events_limited_leaves_no_note_on_other_programs(unsynced, tmp_path):
    """What was not asked for this once is no news; programs without associations are."""
    mirror, _ = unsynced
    scope = Scope(program=1345, observations=("o001",))
    poll = Poll(listings=(listing(program=1345),), changes=(), limited_to=(scope,))
    mirror.record("changes.json", poll)
    programs = [{"program": 1345}, {"program": 99, "products": ["uncal"]}]

    found = answer("status", "--config", configured(tmp_path, mirror, programs=programs))

    limits = {"program": 1345, "observations": ["o001"], "instruments": []}
    assert found["limited_to"] == [limits]
    assert [re.split("[,:]", note)[0] for note in found["notes"]] == [
        "recipe deep is not in the config",
        "program 99 is mirrored without its associations",
    ]


def test_a_mistaken_config_is_told_instead_of_a_plan(unsynced, tmp_path):
    """Mistakes go to the user before anything is planned by them; exit code 2."""
    mirror, _ = unsynced
    config = configured(tmp_path, mirror, recipes={"deep": {"stage": [1]}})

    found = CliRunner().invoke(app, ["plan", "--config", str(config)])

    assert found.exit_code == 2
    assert "did you mean 'stages'" in found.output


def test_a_plan_of_a_mirror_that_was_never_filled(empty_mirror, tmp_path):
    """No run yet is no error; the page says what fills the mirror."""
    config = configured(tmp_path, empty_mirror)

    assert "holds no mirror yet; `jwmirror run --config" in run("plan", "--config", config)
    assert not answer("plan", "--config", config)["previewed"]


def test_a_plan_without_a_run_on_record(small_mirror, tmp_path):
    """A mirror whose receipts were removed still shows what it holds, and says what it lacks."""
    for file in sorted(small_mirror.run_folder.rglob("*.json")):
        file.unlink()
    for folder in (*small_mirror.run_folder.iterdir(), small_mirror.run_folder):
        folder.rmdir()

    said = run("status", "--config", configured(tmp_path, small_mirror))

    assert "generation 1" in said and "The next run is unknown" in said


def test_an_association_of_members_to_come_is_out_of_date():
    """Members that are still to be made count as made, with unknown content, in a preview."""
    raw = entry(product(f"{EXPOSURE}_uncal.fits"), header=HEADER)
    mosaic = association("image3", MOSAIC, f"{EXPOSURE}_cal.fits")
    old = replace(pending(MOSAIC, "image3").derivations[0], parameters={"steps": {}})
    coming = pending(EXPOSURE, "image2")
    rate = Input(name=f"{EXPOSURE}_rate.fits", role="science")
    coming = replace(coming, derivations=(replace(coming.derivations[0], inputs=(rate,)),))
    lookups = (ANYTHING, lambda key: None, lambda *place: old)
    without = PlanBuilder(available_files([raw]), *lookups)
    builder = PlanBuilder(available_files([raw], assumed_done=[coming]), *lookups)

    for each in (without, builder):
        recipe = Recipe(name="deep", programs=(1345,))
        plan_associations(each, Associations(found=(mosaic,)), [recipe], AssociationLevel(3))
    ahead = builder.build(JobLimits(exposures=16))

    assert [wait.product for wait in without.waits] == [MOSAIC] and not without.chains
    ((planned,),) = ahead.batches.values()
    assert planned.reasons[-1] == INPUTS_RECOMPUTED and not ahead.waits


# ---- where values come from ------------------------------------------------------------------


class Layered(Anything):
    """A context with one pars reference, and the parameters that a recipe's came to."""

    def __init__(self, **steps):
        self.steps = steps

    def resolve(self, pipeline, header, asked):
        """What all layers come to."""
        return ResolvedStage(parameters={"steps": self.steps}, references={})

    def pars(self, pipeline, header):
        """One reference for the jump step."""
        yield "pars-jumpstep_0001.asdf", {"steps": {"jump": {"edge_size": 20, "threshold": 3.0}}}


def test_each_value_has_the_uppermost_layer_that_sets_it():
    """Default, pars reference, recipe, where-block, `set`; of two blocks the more specific one."""
    made = {"edge_size": 20, "threshold": 5.0, "flag": True, "groups": 2, "window": 7}
    where = tuple(
        Where(match=match, parameters={"detector1": {"jump": {"groups": groups}}})
        for match, groups in (({"instrument": "nircam", "exp_type": "NRC_IMAGE"}, 2), ({}, 1))
    )
    said = {"detector1": {"jump": {"threshold": 5.0, "groups": 3}}}
    settings = {"detector1": {"jump": {"window": 7}}}
    recipe = Recipe(name="deep", programs=(1345,), parameters=said, where=where, settings=settings)
    derivation = pending("p", "detector1").derivations[0]
    derivation = replace(derivation, parameters={"steps": {"jump": made}})

    found = parameter_sources(derivation, recipe, [HEADER], Layered(jump=made))

    assert found == {
        "jump.edge_size": "pars-jumpstep_0001.asdf",
        "jump.threshold": "recipe deep",
        "jump.flag": "default of jwst",
        "jump.groups": "recipe deep, where instrument nircam, exp_type NRC_IMAGE",
        "jump.window": "set for recipe deep",
    }


def test_a_value_that_would_be_another_now_is_told_with_it():
    """The config may have changed since the result was made."""
    recipe = Recipe(name="deep", programs=(1345,), parameters={"detector1": {"jump": {"n": 4}}})
    made = derivation(product="p", parameters={"steps": {"jump": {"n": 2}}})

    found = parameter_sources(made, recipe, [HEADER], Layered(jump={"n": 4}))

    assert found == {"jump.n": "changed since: now 4, from recipe deep"}


def test_what_the_pipeline_and_crds_would_have_set_is_known():
    """Only values that are others are set otherwise; without a step's parameter, all of it."""
    made = derivation(product="p", parameters={"steps": {"jump": {"n": 4, "m": 1.0, "new": 2}}})

    found = parameters_set_otherwise(made, [HEADER], Layered(jump={"n": 3, "m": 1.0}))

    assert found == {"jump.n": "4", "jump.new": "2"}


def test_a_value_in_its_former_form_is_the_same(monkeypatch):
    """A result that was found under an earlier key; a parameter that is gone is told as null."""
    recipe = Recipe(name="deep", programs=(1345,), parameters={"detector1": {"jump": {"n": 4}}})
    made = derivation(product="p", parameters={"steps": {"jump": {"n": [4], "old": 1}}})
    sources = Layered(jump={"n": [4.0]})
    now = sources.resolve("detector1", HEADER, {})
    former = replace(now, former={"steps": {"jump": {"n": [4]}}})
    monkeypatch.setattr(sources, "resolve", lambda *_: former)

    assert parameter_sources(made, recipe, [HEADER], sources) == {
        "jump.n": "recipe deep",
        "jump.old": "changed since: now null, from default of jwst",
    }


def test_explain_of_a_raw_exposure_tells_what_recipes_would_do(unsynced):
    """Here that it is not known before references are synced; a wrong recipe is told."""
    _, config = unsynced
    name = f"{EXPOSURE}_uncal.fits"

    found = answer("explain", name, "--config", config)
    of_recipe = answer("explain", name, "--recipe", "deep", "--config", config)
    wrong = CliRunner().invoke(app, ["explain", name, "--recipe", "dep", "--config", str(config)])

    assert [each["entry"]["origin"] for each in found["files"]] == ["upstream"]
    assert found["outlooks"] == of_recipe["outlooks"] and of_recipe["files"] == []
    ((outlook,), (wait,)) = found["outlooks"], found["outlooks"][0]["waits"]
    assert (
        outlook["recipe"] == "deep"
        and f"`jwmirror run --config {config}` syncs what is missing" in wait["why"]
    )
    assert wrong.exit_code == 2 and "did you mean 'deep'?" in wrong.output


@pytest.mark.parametrize(
    ("reasons", "state"),
    [((), "published"), ((UNPUBLISHED,), "computed; the next run will publish it")],
)
def test_a_result_in_the_store_is_shown_as_published_only_if_it_is(reasons, state):
    """A result that is not in the current generation has a reason."""
    made = pending(EXPOSURE, "detector1").derivations[0]
    stage = StagePreview(
        product=EXPOSURE, key="ab", is_made=True, derivation=made, reasons=reasons, origins={}
    )
    console = Console(width=200, record=True, file=StringIO())

    console.print(outlook_page(RecipePreview(recipe="deep", stages=(stage,))))

    assert f"deep: detector1 of {EXPOSURE}  {state}\n" in console.export_text()


def test_explain_tells_why_it_has_no_origins(unsynced):
    """A file is explained all the same where references or its recipe are not there any more."""
    _, config = unsynced

    (found,) = answer("explain", f"{EXPOSURE}_rate.fits", "--config", config)["files"]

    assert found["origins"] == {}
    assert "jwst_1464.pmap is not in the reference cache" in found["note"]
    assert found["record"]["key"]


def test_explain_of_an_own_association_knows_members_of_other_programs(unsynced, tmp_path):
    """Both members are in the mirror, so the mosaic waits for references, not for a member."""
    mirror, _ = unsynced
    other = EXPOSURE.replace("jw01345", "jw02107")
    entry = mirror.hold(f"{other}_uncal.fits", lambda path: path.write_text("other"), program=2107)
    mirror.rows[entry.path] = replace(entry, header=HEADER, identity="cd" * 32)
    mirror.publish()
    members = [{"expname": f"{name}_cal.fits", "exptype": "science"} for name in (EXPOSURE, other)]
    own = {
        "asn_type": "image3",
        "asn_id": "a3001",
        "program": "01345",
        "products": [{"name": "both", "members": members}],
    }
    (tmp_path / "both_asn.json").write_text(json.dumps(own))
    recipes = {"deep": {"associations": [str(tmp_path / "both_asn.json")]}}
    programs = [{"program": 1345}, {"program": 2107}]
    config = configured(tmp_path, mirror, programs=programs, recipes=recipes)

    (outlook,) = answer("explain", "both_i2d.fits", "--config", config)["outlooks"]

    assert [wait["cause"] for wait in outlook["waits"]] == ["references"]
