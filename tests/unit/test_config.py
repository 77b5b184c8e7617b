"""The config: what may be said, and what is said about what may not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from astropy.io import fits

from jwmirror.config.load import build_config
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Selection
from jwmirror.services.configure.checked_config import load_checked_config as load
from tests.setup.configs import parse

ROOT = Path(__file__).parents[2]


def mistakes(raw):
    """What `parse` finds wrong."""
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    return caught.value.mistakes


def test_shipped_config_is_right():
    """The config that users start from names the real servers and passes as it stands."""
    config = load(ROOT / "config" / "config.yaml")

    assert config.archive_url == "https://mast.stsci.edu"
    assert config.cloud_url is None
    assert config.references.url == "https://jwst-crds.stsci.edu"
    assert [selection.program for selection in config.selections] == [1538]
    assert [recipe.name for recipe in config.recipes] == ["deep"]


def test_observations_are_numbers_and_ranges():
    """`[1, 4-6]` means observations 1, 4, 5 and 6."""
    config = parse({"programs": [{"program": 1345, "observations": [1, "4-6"]}]})

    assert config.selections == (Selection(program=1345, observations=(1, 4, 5, 6)),)


def test_what_is_left_out_has_the_schema_s_default():
    """A config of one line mirrors with the defaults that the docs state."""
    config = parse({"programs": [{"program": 1345}]})

    assert (config.downloads, config.jobs.exposures) == (8, 1000)
    assert config.references.context == "build"
    assert config.recipes == ()


@pytest.mark.parametrize(
    ("gaia", "days"), [({}, None), ({"refresh": "never"}, None), ({"refresh": 0}, 0)]
)
def test_slices_of_gaia_are_fetched_again_never_or_after_days(gaia, days):
    """From the service that jwst would query, or another one."""
    one, url = [{"program": 1345}], "http://localhost:8"
    config = parse({"programs": one, "references": {"gaia": gaia}})
    other = parse({"programs": one, "references": {"gaia": {"url": url}}})

    policies = [
        (each.references.gaia_refresh, each.references.gaia_url) for each in (config, other)
    ]
    assert policies == [(days, "https://gsss.stsci.edu/webservices"), (None, url)]
    (said,) = mistakes({"programs": one, "references": {"gaia": {"refresh": "monthly"}}})
    assert "references.gaia.refresh: found 'monthly', expected never, or a number of days" in said


def test_all_mistakes_are_told_at_once():
    """Three mistakes of three kinds stand in one message, each with its place and remedy."""
    found = mistakes(
        {
            "programs": [{"program": 1345, "exposure_type": "X"}],
            "recipes": {
                "deep": {
                    "parameters": {
                        "detector1": {"jump": {"rejection_treshold": 5}, "jmup": {}},
                    }
                }
            },
        }
    )

    assert len(found) == 3
    assert "programs[0]: unknown key 'exposure_type'; did you mean 'exposure_types'?" in found[0]
    text = "\n".join(found)
    assert "recipes.deep.parameters.detector1.jump" in text and "rejection_threshold" in text
    assert "jmup" in text and "did you mean 'jump'?" in text


def test_extended_recipe_lies_over_its_parent():
    """What a recipe says wins over what it extends, parameter by parameter."""
    config = parse(
        {
            "programs": [{"program": 1}],
            "recipes": {
                "deep": {"parameters": {"detector1": {"jump": {"rejection_threshold": 5.0}}}},
                "quick": {
                    "extends": "deep",
                    "stages": [1],
                    "parameters": {"detector1": {"jump": {"maximum_cores": "none"}}},
                },
            },
        }
    )

    quick = {recipe.name: recipe for recipe in config.recipes}["quick"]
    assert quick.stages == (1,)
    assert quick.parameters["detector1"]["steps"]["jump"] == {
        "rejection_threshold": 5.0,
        "maximum_cores": "none",
    }


@pytest.mark.parametrize(
    ("recipes", "words"),
    [
        (
            {"a": {"extends": "b"}, "b": {"extends": "a"}},
            "a recipe that extends itself (a -> b -> a)",
        ),
        ({"quick": {"extends": "dep"}, "deep": {}}, "did you mean 'deep'?"),
        ({"deep": {"programs": [2]}}, "program 2 is not mirrored"),
        ({"quick": {"extends": "dep"}}, "unknown recipe 'dep'; no other recipe is defined"),
        ({"deep": {"stages": [4]}}, "recipes.deep.stages[0]: unknown value 4"),
        ({"deep": {"stages": ["1a"]}}, "unknown value '1a'"),
        ({"deep": {"detector1": {}}}, "it belongs in it: `parameters: {detector1: ...}`"),
        ({"deep": {"parameters": {"jump": {}}}}, "jump is a step of detector1; write detector1:"),
        ({"deep": {"detectors": ["nrca1"]}}, "found 'nrca1'; did you mean 'NRCA1'?"),
        ({"deep": {"instruments": ["nircam"]}}, "did you mean 'NIRCAM'?"),
        ({"upstream": {}}, "recipes: found 'upstream', expected a name of lowercase letters"),
        ({"recipe": {}}, "recipes: found 'recipe', expected a name of lowercase letters"),
        ({"current": {}}, "recipes: found 'current', expected a name of lowercase letters"),
        ({"a/b": {}}, "recipes: found 'a/b', expected a name of lowercase letters"),
        ({"a:b": {}}, "recipes: found 'a:b', expected a name of lowercase letters"),
        ({"deep": []}, "recipes.deep: found [], expected keys with values"),
        ({"deep": {"between": ["a.b"]}}, 'recipes.deep.between: found ["a.b"], expected keys'),
        ({"deep": {"parameters": 3}}, "recipes.deep.parameters: found 3, expected pipelines"),
        ({"deep": None}, "recipes.deep: found nothing, expected keys with values, such as {stages"),
        ({"deep": {"msa": "x.fits"}}, "such as {jw02736007001_01_msa.fits: edited_msa.fits}"),
        (
            {"deep": {"exclude": [{"file": "jw01345001001*"}]}},
            "missing key because; write the reason, such as `because: guide star lost`",
        ),
    ],
)
def test_recipe_mistakes_name_the_remedy(recipes, words):
    """Recipes that cannot be resolved are refused in words that help."""
    found = mistakes({"programs": [{"program": 1}], "recipes": recipes})

    assert any(words in mistake for mistake in found), found


def test_equally_specific_blocks_that_disagree_are_a_mistake():
    """Two where-blocks that may match one exposure with equal right must not contradict."""
    block = {"detector1": {"jump": {"rejection_threshold": 4.0}}}
    other = {"detector1": {"jump": {"rejection_threshold": 6.0}}}
    where = [
        {"match": {"detector": "NRCA1"}, "parameters": block},
        {"match": {"filter": "F200W"}, "parameters": other},
        {"match": {"detector": "NRCB1"}, "parameters": other},
    ]

    found = mistakes({"programs": [{"program": 1}], "recipes": {"deep": {"where": where}}})

    assert len(found) == 1
    assert "where[0] and where[1]" in found[0]
    assert "detector1.jump.rejection_threshold" in found[0]


def test_file_that_is_not_yaml_is_named(tmp_path):
    """A broken file is told by name and line, not by a traceback."""
    path = tmp_path / "config.yaml"
    path.write_text("programs: [1\nrecipes: {")

    with pytest.raises(ConfigError, match=r"config\.yaml, line 2: not YAML: "):
        load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('mirror: "a\\e]0;x\\a"', r"mirror: found 'a\x1b]0;x\x07' with control characters"),
        ('mirror: "a\\ud800"', "mirror: found 'a\\ud800' with control characters"),
        ('"a\\x9b": 1', "found 'a\\x9b' with control characters"),
        ("a: &a [*a]", "it contains itself; write the values without aliases"),
        (
            "a0: &a0 [1, 1, 1, 1]\n"
            + "".join(
                f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 16)
            ),
            "nodes; write the values without aliases",
        ),
    ],
)
def test_text_that_would_act_on_a_program_is_a_mistake(text, words):
    """Control characters act on terminals, lone surrogates and endless aliases end programs."""
    with pytest.raises(ConfigError, match=re.escape(words)):
        build_config(parse_yaml(text, "config.yaml"))


def test_the_table_of_thresholds_is_made_from_their_file():
    """docs/quality.md has the values and reasons that are used; `make docs` writes it."""
    sys.path.insert(0, str(ROOT / "config"))
    from make_readme import QUALITY, THRESHOLDS, with_thresholds

    thresholds = yaml.safe_load(THRESHOLDS.read_text())

    assert QUALITY.read_text() == with_thresholds(QUALITY.read_text(), thresholds)
    assert "| saturated pixels | all | flagged pixels |" in QUALITY.read_text()


def test_the_table_of_suffixes_is_made_from_the_kinds_of_products():
    """docs/glossary.md says of each suffix what `jwmirror products` says; `make docs` writes it."""
    sys.path.insert(0, str(ROOT / "config"))
    from make_readme import GLOSSARY, with_suffixes

    text = GLOSSARY.read_text()

    assert text == with_suffixes(text)
    assert "| `crf` | 2c | calibrated exposure with outliers flagged |" in text


def test_config_page_is_made_from_the_schema():
    """config/README.md says what the schema says; `make docs` writes it."""
    sys.path.insert(0, str(ROOT / "config"))
    from make_readme import page

    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())

    assert (ROOT / "config" / "README.md").read_text() == page(schema)


WRONG = """
programs: [{program: 1345, exposure_type: X}]
mirrow: here
recipes:
  deep:
    between: {detector1..image2: stripes.fix}
    parameters:
      detector1:
        jump: {edge_size: lots, rejection_treshold: 5, post_hooks: [fixes.scale]}
        dark_current: {override_dark: missing.fits}
        linearity: {override_linearity: flat.fits}
        superbias: {override_superbias: cut.fits}
      image3: {tweakreg: {abs_refcat: GAIADR3_S3, snr_threshold: high}}
      spec2: none.asdf
    where:
      - {match: {filter: F200W}, parameters: {image3: {skymatch: {skip: true}}}}
      - {match: {detector: NRCA1}, parameters: {image3: {skymatch: {skip: false}}}}
"""
TOLD = (
    "did you mean 'exposure_types'?",
    "did you mean 'mirror'?",
    "recipes.deep.between.detector1..image2: found 'stripes.fix', expected a function",
    "jump.edge_size: found 'lots', expected a whole number",
    "jump.rejection_treshold: unknown parameter 'rejection_treshold'; did you mean",
    "jump.post_hooks[0]: found 'fixes.scale'; there is no module fixes",
    "override_dark: found 'missing.fits', expected a file that can be read, or N/A for none",
    "override_linearity: found 'flat.fits', whose REFTYPE is flat",
    "override_superbias: found 'cut.fits', expected a reference file",
    "abs_refcat: found 'GAIADR3_S3', a catalogue that jwmirror does not store",
    "snr_threshold: found 'high', expected a number",
    "parameters.spec2: found 'none.asdf', expected a file of parameters",
    "where[0] and where[1]: equally specific and both set image3.skymatch.skip (true, false)",
    "set deep.image3.skymtch: unknown step 'skymtch'; did you mean 'skymatch'?",
)


def test_all_that_stpipe_lets_pass_stops_check_and_run_before_the_first_job(tmp_path):
    """Every class of mistake, all at once, in both; exit code 2, nothing asked or written."""
    (tmp_path / "config.yaml").write_text(WRONG)
    fits.PrimaryHDU(header=fits.Header({"REFTYPE": "FLAT"})).writeto(tmp_path / "flat.fits")
    (tmp_path / "cut.fits").write_bytes((tmp_path / "flat.fits").read_bytes()[:1000])
    before, setting = {*tmp_path.iterdir()}, "deep.image3.skymtch.skip=true"
    run = ["snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1", "--configfile"]
    calls = (
        ["jwmirror.cli", "check", "--config", "config.yaml", "--set", setting],
        [*run, "config.yaml", "--config", f"set={setting}"],
    )

    ends = [
        subprocess.run(
            [sys.executable, "-m", *call],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        for call in calls
    ]

    for end in ends:
        assert end.returncode == 2, end.stderr
        assert [each for each in TOLD if each not in end.stderr] == []
        starts = ("config.yaml, line ", f"{tmp_path}/config.yaml, line ", "set ", "--config set=")
        assert sum(line.startswith(starts) for line in end.stderr.splitlines()) == 14
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in before} <= {
        ".snakemake"
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, "config: found nothing, expected keys with values"),
        ({"programs": [{"program": "01538a"}]}, "expected a program number"),
        ({"programs": [{"program": 1, "observed": {"from": "May"}}]}, "expected a day such as 20"),
        ({"programs": [{"program": 1, "products": ["Asn!"]}]}, "expected a suffix in lowercase"),
        ({"references": {"context": "old"}}, "expected build, latest, or a name such as jwst_1464"),
        ({"archive": {"group": 3}}, "expected the name of a group"),
        ({"archive": {"downloads": "many"}}, "found 'many', expected a whole number"),
        ({"wait": "no"}, "wait: found 'no', expected true or false"),
    ],
)
def test_a_wrong_value_is_reported_with_what_is_expected_in_words(raw, expected):
    """A message has neither a regular expression nor the name of a Python type."""
    text = "\n".join(mistakes(raw))

    assert expected in text
    assert "^" not in text and "(str)" not in text


def test_each_pattern_of_the_schema_is_described():
    """A message shows the title in place of a pattern, which users cannot read."""
    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())

    def undescribed(node, is_choice=False):
        if isinstance(node, dict):
            if not is_choice and "pattern" in node and "title" not in node:
                yield node["pattern"]
            for key, value in node.items():
                yield from undescribed(value, key == "anyOf")
        elif isinstance(node, list):
            for value in node:
                yield from undescribed(value, is_choice)

    assert list(undescribed(schema)) == []


def test_days_of_observation_may_be_written_without_quotes():
    """YAML 1.1 reads a bare day as a date; the selection has it as text, an open end as nothing."""
    content = parse_yaml("programs: [{program: 1345, observed: {from: 2025-11-01}}]", "config")

    (selection,) = build_config(content).selections

    assert selection.observed == ("2025-11-01", "")


def test_what_is_accepted_may_be_one_program_or_several():
    """`--config accept_vanished=1345` gives a number; a config may list programs and patterns."""
    raw = {"programs": [{"program": 1345}], "settle": {"accept": [1345, "jw01366-o002_*"]}}

    one, several = (parse({**raw, "accept_vanished": each}) for each in (1345, [1345, 1366]))

    assert (one.accept_vanished, several.accept_vanished) == ((1345,), (1345, 1366))
    assert one.accept_unsettled == ("1345", "jw01366-o002_*")
    assert (one.vanish_limit, one.settle_days) == (0.5, 3)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("accept_vanished", "all", "a program number or a list of program numbers"),
        ("settle", {"accept": [1.5]}, "program numbers and patterns"),
        ("archive", {"vanish_limit": 2}, "expected at most 1"),
    ],
)
def test_policies_that_cannot_be_are_told_with_what_is_allowed(key, value, allowed):
    """Wrong values of the new keys are mistakes in words."""
    (mistake,) = mistakes({"programs": [{"program": 1345}], key: value})

    assert mistake.startswith(key) and allowed in mistake


def test_an_environment_that_is_not_there_is_told(tmp_path):
    """A name that no environment has, and a folder without a Python; the rest is told besides."""
    recipes = {
        "old": {"environment": "jwst-1.02"},
        "older": {"environment": "jwst-1.9", "parameters": {"detector1": {}}},
        "deep": {"parameters": {"detector1": {"jmup": {}}}},
    }
    environments = {"jwst-1.20": str(tmp_path / "one"), "jwst-1.9": str(tmp_path / "two")}

    found = mistakes(
        {"programs": [{"program": 1345}], "recipes": recipes, "environments": environments}
    )

    assert len(found) == 3
    assert any("recipes.old.environment" in m and "did you mean 'jwst-1.20'" in m for m in found)
    assert any("environments.jwst-1.9" in m and "make environments" in m for m in found)
    assert any("did you mean 'jump'" in m for m in found)
