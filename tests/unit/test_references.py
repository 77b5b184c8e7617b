"""Parameters and references of an exposure, resolved from a cache without a server."""

import json
import shutil
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

import asdf
import pytest
from stpipe._config import StepConfig

from jwmirror.core.errors import CalibrationError, ConfigError, ReferencesError
from jwmirror.core.files import sha256_of
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.derivation import engine_versions, software_versions
from jwmirror.pipeline.headers import crds_header
from jwmirror.pipeline.parameters.resolution import CORES, RESERVED
from jwmirror.pipeline.registry import idle_steps, pipeline_class
from jwmirror.planning.resolvers import local as rules
from jwmirror.planning.resolvers.local import LocalResolver, ResolvedStage
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of

CONTEXT = "jwst_0001.pmap"


@dataclass(frozen=True)
class CachedExposure:
    """A reference cache, and an exposure with its header."""

    cache: Path
    uncal: Path
    header: str

    @property
    def resolver(self) -> LocalResolver:
        """Of the one context."""
        return LocalResolver(self.cache, CONTEXT)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> CachedExposure:
    """One exposure and what it is calibrated with; built once."""
    root = tmp_path_factory.mktemp("references")
    build_context(root / "crds", detectors=("NRCB1",), filters=("F200W",))
    program = demo_program()
    uncal = take_exposure(program, exposures_of(program)[0], root)
    return CachedExposure(root / "crds", uncal, crds_header(uncal))


@pytest.fixture
def cached(built, monkeypatch) -> CachedExposure:
    """The same, with CRDS told where its cache is."""
    for name, value in crds_environment(built.cache, CONTEXT).items():
        monkeypatch.setenv(name, value)
    return built


@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        ("detector1", {"ramp_fit": {"algorithm": "LIKELY"}}),
        ("image2", {"resample": {"pixfrac": 0.8}, "flat_field": {"skip": True}}),
        ("image3", {"tweakreg": {"minobj": 9}}),
    ],
)
def test_parameters_are_those_that_stpipe_itself_would_use(cached, pipeline, steps):
    """Defaults, pars references and the recipe, as Pipeline.call puts them together: all of them.

    But for steps that are passed by, and what says where files go.
    """
    ours = cached.resolver.resolve(pipeline, cached.header, {"steps": steps}).parameters["steps"]
    cls = pipeline_class(pipeline)
    config, _ = cls.build_config(str(cached.uncal), steps=json.loads(json.dumps(steps)))
    theirs = cls.from_config_section(config).get_pars()["steps"]

    assert theirs.keys() - ours.keys() == idle_steps(pipeline, "NIRCAM") & theirs.keys()
    for name, values in ours.items():
        assert values["skip"] == theirs[name]["skip"], name
        if not values["skip"]:
            other = {*RESERVED, CORES}  # no allowed value of which changes a result
            counted = {k: v for k, v in theirs[name].items() if k not in other}
            assert counted == {k: v for k, v in values.items() if k in counted}, name
    assert all(ours[step].items() >= said.items() for step, said in steps.items())


def test_a_reference_is_known_by_name_and_content(cached):
    """Those of steps that run, pars references too, with their sha1; N/A where none applies."""
    references = cached.resolver.resolve("detector1", cached.header, {"steps": {}}).references

    name, checksum = references["dark"]
    content = (cached.cache / "references/jwst/nircam" / name).read_bytes()
    assert checksum == sha1(content).hexdigest()
    assert references["ipc"] == ("N/A", "")
    assert any(reftype.startswith("pars-") for reftype in references)


def test_a_parameter_reference_of_a_step_counts_unless_the_step_is_skipped(cached):
    """Its own and the pipeline's, which always does."""
    tweakreg, image3 = "pars-tweakregstep", "pars-image3pipeline"
    found = [
        cached.resolver.resolve("image3", cached.header, {"steps": steps}).references
        for steps in ({}, {"tweakreg": {"skip": True}}, {"tweakreg": {"skip": False}})
    ]

    assert [tweakreg in references for references in found] == [True, False, True]
    assert all((image3 in r) == (image3 in found[0]) for r in found)
    assert found[0][tweakreg][1]


def test_the_largest_reference_is_known(cached):
    """Of references of two sizes; memory is asked for by it."""
    stage = cached.resolver.resolve("detector1", cached.header, {"steps": {}})

    folder = cached.cache / "references/jwst/nircam"
    sizes = {(folder / name).stat().st_size for name, sha1 in stage.references.values() if sha1}
    assert stage.largest == max(sizes) > min(sizes)


def test_references_of_skipped_steps_do_not_count(cached):
    """Without dark_current, the dark is not in the key."""
    skip = {"steps": {"dark_current": {"skip": True}}}

    references = cached.resolver.resolve("detector1", cached.header, skip).references

    assert "dark" not in references


def test_an_override_counts_by_its_content(cached, tmp_path):
    """The user's own file is in the key by its sha256, and passed on by its whole path."""
    mine = tmp_path / "mine.fits"
    mine.write_bytes(b"dark")
    override = {"steps": {"dark_current": {"override_dark": "mine.fits"}}}

    resolver = LocalResolver(cached.cache, CONTEXT, base=tmp_path)
    found = resolver.resolve("detector1", cached.header, override)

    assert found.references["dark_current.override_dark"] == ("mine.fits", sha256_of(mine))
    assert "dark" not in found.references
    assert found.parameters["steps"]["dark_current"]["override_dark"] == str(mine)


def test_the_override_of_one_step_is_no_other_steps(cached, tmp_path):
    """As in stpipe: with a gain of the user's in jump, ramp_fit takes that of CRDS."""
    (tmp_path / "mine.fits").write_bytes(b"gain")
    override = {"steps": {"jump": {"override_gain": "mine.fits"}}}

    resolver = LocalResolver(cached.cache, CONTEXT, base=tmp_path)
    found = resolver.resolve("detector1", cached.header, override)

    assert found.references["gain"][0].startswith("jwst_nircam_gain")
    assert "jump.override_gain" in found.references


def test_a_parameter_reference_with_a_catalogue_that_has_no_slices_is_refused(
    built, tmp_path, monkeypatch
):
    """The plan names the reference and the remedy; the recipe overrides it."""
    cache = tmp_path / "crds"
    shutil.copytree(built.cache, cache)
    folder = cache / "references" / "jwst" / "nircam"
    (pars,) = folder.glob("*pars-tweakregstep*")
    content = StepConfig.from_asdf(asdf.open(pars, lazy_load=False))
    content.parameters["abs_refcat"] = "GAIADR3_S3"
    content.to_asdf().write_to(pars)
    monkeypatch.setenv("CRDS_PATH", str(cache))
    resolver = LocalResolver(cache, CONTEXT)

    with pytest.raises(CalibrationError, match=rf"set by {pars.name}\).*GAIADR3_S3.*or '' for no"):
        resolver.resolve("image3", built.header, {"steps": {}})
    for tweakreg in ({"abs_refcat": ""}, {"skip": True}):
        assert resolver.resolve("image3", built.header, {"steps": {"tweakreg": tweakreg}})


def test_hooks_are_settled_too(cached, tmp_path):
    """By the sha256 of their source, looked for beside the config."""
    source = tmp_path / "fixes.py"
    source.write_text("def scale(model): ...")
    asked = {"steps": {"jump": {"post_hooks": ["fixes.scale"]}}}

    resolver = LocalResolver(cached.cache, CONTEXT, base=tmp_path)
    found = resolver.resolve("detector1", cached.header, asked)

    assert found.hooks == (("fixes.scale", sha256_of(source)),)


def test_a_gap_names_type_values_and_context(cached):
    """A detector that the context does not know."""
    other = cached.header.replace("NRCB1", "NRCB4")

    with pytest.raises(CalibrationError, match=r"jwst_0001\.pmap has no \w+ reference.*NRCB4"):
        cached.resolver.resolve("detector1", other, {"steps": {}})


def test_needed_references_are_those_that_are_used(cached):
    """What the sync is told to fetch covers what the plan then finds."""
    header = cached.header
    stages = ("detector1", "image2", "image3")

    needed = set(cached.resolver.needed([(header, stages)]))

    used = [cached.resolver.resolve(stage, header, {"steps": {}}).references for stage in stages]
    names = {name for references in used for name, sha1 in references.values() if sha1}
    assert names <= needed
    assert all((cached.cache / "references/jwst/nircam" / name).is_file() for name in needed)


def test_a_reference_that_is_not_in_the_cache_is_named(cached, tmp_path, monkeypatch):
    """With mappings alone nothing can be planned; the error says what to do."""
    empty = tmp_path / "crds"
    shutil.copytree(cached.cache / "mappings", empty / "mappings")
    monkeypatch.setenv("CRDS_PATH", str(empty))

    with pytest.raises(ReferencesError, match=r"\.asdf is not in the reference cache.*network"):
        LocalResolver(empty, CONTEXT).resolve("detector1", cached.header, {})


def test_another_cache_than_that_of_the_process_is_refused(cached, tmp_path):
    """CRDS would silently look into the one that its environment names."""
    with pytest.raises(ReferencesError, match="CRDS_PATH"):
        LocalResolver(tmp_path, CONTEXT).needed([(cached.header, ("detector1",))])


# ---- each rule by itself ---------------------------------------------------------------------


def test_a_resolver_has_the_versions_of_this_process(cached):
    """Those in keys and those beside them."""
    assert cached.resolver.engine == engine_versions()
    assert cached.resolver.software == software_versions()


def test_checksums_that_the_sync_has_verified_are_not_computed_again(cached):
    """Of the files that it names; those of others are."""
    name = cached.resolver.resolve("detector1", cached.header, {"steps": {}}).references["dark"][0]

    resolver = LocalResolver(cached.cache, CONTEXT, {name: "verified"})
    references = resolver.resolve("detector1", cached.header, {"steps": {}}).references

    assert references["dark"] == (name, "verified")
    assert len(references["gain"][1]) == 40


def test_a_pipeline_of_which_all_steps_are_skipped_needs_no_reference(cached):
    """But the pipeline's own parameter reference, if there is one."""
    skipped = {step: {"skip": True} for step in pipeline_class("image2").step_defs}

    stage = cached.resolver.resolve("image2", cached.header, {"steps": skipped})

    assert {kind for kind in stage.references if kind != "pars-image2pipeline"} == set()
    assert stage.largest == ResolvedStage(parameters={}, references={}).largest == 0


def test_parameter_references_come_with_their_content(cached):
    """By name, in the form of layers; the pipeline's own is the last one and has no step."""
    layers = cached.resolver.pars("image3", cached.header)

    names = [name for name, _ in layers]
    content = dict(layers)[next(name for name in names if "tweakreg" in name)]
    assert len(names) == len(set(names)) and all(name.endswith(".asdf") for name in names)
    assert content.keys() == {"steps"} and content["steps"].keys() == {"tweakreg"}
    assert len(content["steps"]["tweakreg"]) > 1


def test_needed_references_are_files_in_their_order(cached):
    """Not the words for types without one."""
    needed = cached.resolver.needed([(cached.header, ["detector1", "image2"])])

    assert list(needed) == sorted(needed)
    assert all(name.endswith((".fits", ".asdf")) for name in needed)


def test_mistakes_are_those_of_the_config_beside_its_files(cached, tmp_path):
    """Files are looked for in the folder that was given."""
    (tmp_path / "fixes.py").write_text("def scale(model): ...")
    hooked = {"detector1": {"jump": {"pre_hooks": ["fixes.scale"], "edge_siz": 1}}}

    (here,) = LocalResolver(cached.cache, CONTEXT, base=tmp_path).remarks(hooked, "place").mistakes

    assert here.startswith("place.detector1.jump.edge_siz: unknown parameter")
    elsewhere = LocalResolver(cached.cache, CONTEXT, base=tmp_path / "x")
    assert len(elsewhere.remarks(hooked, "p").mistakes) == 2


def test_the_form_of_earlier_keys_has_whole_paths_too(cached, tmp_path):
    """If it differs at all."""
    (tmp_path / "mine.fits").write_bytes(b"flat")
    override = {"override_flat": "mine.fits"}
    resolver = LocalResolver(cached.cache, CONTEXT, base=tmp_path)

    def former(**resample: object):
        steps = {"flat_field": override, "resample": resample}
        return resolver.resolve("image2", cached.header, {"steps": steps}).former

    assert former(crpix=[1, 2])["steps"]["flat_field"]["override_flat"] == str(
        tmp_path / "mine.fits"
    )
    assert former(crpix=[1.5, 2.5]) is None


def test_a_parameter_that_jwst_dropped_and_that_had_no_effect_is_in_no_key(cached):
    """An exported file of an earlier jwst has it; with an effect, it is a mistake."""
    old = {"resample": {"pixfrac": 0.5, "allowed_memory": None}}
    new = {"resample": {"pixfrac": 0.5}}

    found = cached.resolver.resolve("image2", cached.header, {"steps": old})

    assert found == cached.resolver.resolve("image2", cached.header, {"steps": new})
    with pytest.raises(ConfigError, match="allowed_memory"):
        wrong = {"steps": {"resample": {"allowed_memory": 0.5}}}
        cached.resolver.resolve("image2", cached.header, wrong)


def test_crds_is_asked_once_for_equal_cases(cached, monkeypatch):
    """Exposures that differ in what no rule uses have one answer; a plan has thousands."""
    resolver, asked = cached.resolver, []
    ask = resolver._ask_crds
    monkeypatch.setattr(resolver, "_ask_crds", lambda *of: asked.append(of[1]) or ask(*of))
    later = json.dumps(json.loads(cached.header) | {"meta.observation.visit_number": "9"})

    for header in (cached.header, later):
        resolver.resolve("image2", header, {"steps": {}})
    first = len(asked)
    resolver.resolve("image3", cached.header, {"steps": {}})

    assert first == 1
    assert not set(asked[0]) & {kind for types in asked[1:] for kind in types}


def test_the_parameter_reference_of_an_idle_step_does_not_count(cached, monkeypatch):
    """No step of this instrument reads it."""
    names = {"rscd": "jwst_miri_pars-rscdstep_0001.asdf"}
    monkeypatch.setattr("jwmirror.planning.resolvers.local._pars_names", lambda *_: names)
    resolver = cached.resolver
    monkeypatch.setattr(resolver, "_pars_layers", lambda pars: iter(()))

    assert "pars-rscdstep" not in resolver.resolve("detector1", cached.header, {}).references


def test_the_parameter_reference_of_the_pipeline_itself_counts(cached, monkeypatch):
    """It belongs to no step that could be skipped; a size that is not known counts as nothing."""
    monkeypatch.setattr(
        "jwmirror.planning.resolvers.local._pars_names", lambda *_: {"": "whole.asdf"}
    )
    resolver = LocalResolver(cached.cache, CONTEXT, {"whole.asdf": "5a"})
    monkeypatch.setattr(resolver, "_pars_layers", lambda pars: iter(()))

    references = resolver.resolve("image2", cached.header, {"steps": {}}).references

    assert references["pars-image2pipeline"] == ("whole.asdf", "5a")


@pytest.mark.parametrize(
    ("answer", "is_file", "is_gap"),
    [
        ("jwst_nircam_flat_0001.fits", True, False),
        ("NOT FOUND No match found.", False, True),
        ("NOT FOUND n/a", False, False),
        ("N/A", False, False),
        ("NOT FOUND several files: a, b", False, True),
    ],
)
def test_an_answer_is_a_file_a_gap_or_none(answer, is_file, is_gap):
    """CRDS says N/A where a type does not apply."""
    assert (rules._is_file(answer), rules._is_gap(answer)) == (is_file, is_gap)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("a.fits", "a.fits"),
        (("a.fits", "b.fits"), "NOT FOUND several files: a.fits, b.fits"),
        (5, "NOT FOUND several files: 5"),
    ],
)
def test_an_answer_that_is_no_single_file_is_a_text(answer, text):
    """So that it is a reason, not a crash."""
    assert rules._one_file(answer) == text


@pytest.mark.parametrize(
    ("layers", "last"),
    [
        ([{"x": 1}, {"steps": {"a": {"y": 1}, "b": {"x": 2}}}, {"y": 1}], "two"),
        ([{"x": 1}, {"steps": {"a": {"y": 1}}}], "one"),
        ([{"y": 1}, {"steps": {}}, {"steps": {"c": {"x": 1}}}, {"x": 1}], "three"),
        ([{"y": 1}], ""),
    ],
)
def test_the_last_parameter_reference_that_sets_a_parameter_is_known(layers, last):
    """In itself or in a step; the recipe comes after the references and has no name."""
    pars = dict(zip("abc", ("one", "two", "three"), strict=True))

    assert rules._pars_with("x", pars, layers) == last
