"""Which version of a mosaic is recommended: at most one, by the order of recipes in the config."""

from dataclasses import replace

import pytest

from jwmirror.config.load import build_config
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.model import Recipe, ResultFile, write
from jwmirror.core.model.plan import Published
from jwmirror.core.model.quality import JudgedResult, Quality
from jwmirror.core.model.stored import Setup
from jwmirror.report.site.mosaic_advice import Candidate, advice, badge, in_short, notes
from jwmirror.report.site.mosaics import ALSO, ONLY, RECOMMENDED, Mosaic
from jwmirror.services.inspect.answers.recommended import (
    RecipeOrder,
    choice_of,
    held_back_recipes,
    recipe_order,
)
from jwmirror.services.kept.conditions import conditions_of
from jwmirror.store.runs import RunFiles
from tests.setup.mirrors import MOSAIC

FILE = f"{MOSAIC}_i2d.fits"
ORDER = RecipeOrder(names=("quick", "deep"), source="in your config")
MAST = Candidate(
    origin="upstream", path="upstream/x", fault="", content="m", jwst="1.18.0", context="1.pmap"
)
QUICK = Candidate(origin="quick", path="recalibrated/quick/x", fault="", content="q", jwst="1.20.2")
DEEP = replace(QUICK, origin="deep", path="recalibrated/deep/x", content="d")
NOISY = {"fault": "has a caveat (noise)", "has_caveat": True}
OLD = {"fault": "is out of date: the next run makes it again", "is_out_of_date": True}
REPLACED = "was made before raw data of its observation and filter were replaced (2026-02-19)"


@pytest.mark.parametrize(
    ("versions", "chosen", "words"),
    [
        ((DEEP, QUICK), "quick", "Use the version of recipe quick (the first of your recipes"),
        ((DEEP, replace(QUICK, **NOISY)), "deep", "Use the version of recipe deep (the first"),
        ((DEEP, replace(QUICK, **OLD)), "deep", "Use the version of recipe deep (the first"),
        ((DEEP,), "deep", "Use the version of recipe deep: it is sound and up to date."),
        ((), "upstream", "Use MAST's version: it is the only one, and up to date."),
        ((replace(DEEP, **NOISY),), "", "No version is recommended: recipe deep's"),
    ],
)
def test_the_first_recipe_whose_version_is_fit_is_recommended(versions, chosen, words):
    """By the order of the config; without any recipe, it is MAST's."""
    choice = choice_of(FILE, [MAST, *versions], ORDER)

    badges = [badge(each.origin, choice) for each in (MAST, QUICK, DEEP)]

    assert choice.chosen == chosen
    assert advice(choice).startswith(words)
    assert sum(each in (RECOMMENDED, ONLY) for each in badges) == bool(chosen)


def test_another_order_of_recipes_recommends_another_version():
    """A recipe that is not in the config any more comes last."""
    versions = [MAST, QUICK, DEEP]

    found = [
        choice_of(FILE, versions, RecipeOrder(names=names)).chosen
        for names in (("deep", "quick"), ("quick", "deep"), ("quick",), ())
    ]

    assert found == ["deep", "quick", "quick", "deep"]


def test_the_others_say_why_they_are_not_recommended():
    """Sound ones how they differ, with what jwst says of the parameter; others their fault."""
    third = replace(DEEP, origin="third", **NOISY)
    choice = choice_of(FILE, [MAST, DEEP, third, QUICK], ORDER)
    limit = "detector1.jump.rejection_threshold"
    differing = {limit: {"quick": "7.0", "deep": "4.5"}}

    plain = notes(choice)
    explained = notes(
        replace(choice, differing=differing, meanings={limit: "CR sigma rejection threshold"})
    )

    assert badge("deep", choice) == ALSO and badge("third", choice) == ""
    assert plain[0].startswith(
        f"Recipe deep's version is also sound; `jwmirror diff :quick :deep {FILE}`"
    )
    assert f"{limit} 4.5 instead of 7.0 (CR sigma rejection threshold)" in explained[0]
    assert plain[1] == "Recipe third's version has a caveat (noise)."
    assert plain[2].startswith("MAST's version was made with jwst 1.18.0 (recipe quick: 1.20.2)")
    same = choice_of(FILE, [QUICK, replace(DEEP, content="q")], ORDER)
    assert "its science content is the same" in notes(same)[0]


def test_without_a_sound_version_the_page_says_what_to_look_at():
    """The caveats, how to accept them, the next run, and whether MAST's version helps."""
    versions = [replace(QUICK, **OLD), replace(DEEP, **NOISY)]

    helps = notes(choice_of(FILE, [MAST, *versions], ORDER))
    is_old = notes(choice_of(FILE, [replace(MAST, fault=REPLACED), *versions], ORDER))

    assert f"`jwmirror accept {FILE} --recipe deep --because 'my reason'`" in helps[0]
    assert "`jwmirror run`" in helps[1]
    assert helps[2].startswith("MAST's version is up to date, but not measured")
    assert is_old[2] == f"MAST's version does not help: it {REPLACED}."


def test_a_version_of_mast_that_is_old_or_not_alone_is_not_chosen():
    """Hidden versions are counted, and nothing is said of them."""
    old = choice_of(FILE, [replace(MAST, fault=REPLACED)], ORDER)
    hidden = choice_of(FILE, [MAST], ORDER, hidden=2)

    assert old.chosen == hidden.chosen == ""
    assert REPLACED in advice(old)
    assert advice(hidden) == "MAST's version is the only one that this public site shows."


def test_a_version_that_is_held_back_is_named_with_what_publishes_it():
    """Of mosaics and cubes only; then MAST's is the only published one."""
    file = ResultFile(filename=FILE, sha256="a", size=1, identity="b")
    held = JudgedResult(
        recipe="deep",
        pipeline="image3",
        product=MOSAIC,
        key="k",
        files=(file, replace(file, filename=f"{MOSAIC}_cat.ecsv")),
        quality=Quality(word="caveat", caveats=()),
        is_published=False,
    )

    found = held_back_recipes([held, replace(held, recipe="quick", is_published=True)])
    choice = choice_of(FILE, [MAST], ORDER, held_back=found[FILE])

    assert found == {FILE: ["deep"]}
    assert (
        advice(choice)
        == "Use MAST's version: it is the only one that is published, and up to date."
    )
    assert f"`jwmirror accept {FILE} --recipe deep --because 'my reason'`" in notes(choice)[0]


def mosaics(*choices: tuple[str, int]) -> list[Mosaic]:
    """Mosaics with the origin to use, and the number of hidden versions."""
    texts = {"page": "", "program": "", "observation": "", "advice": ""}
    return [
        Mosaic(filename=FILE, **texts, notes=(), choice=choice, versions=(), hidden=hidden)
        for choice, hidden in choices
    ]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ([], "There is no mosaic to choose."),
        ([("deep", 0)], "Use recipe deep's version of the only mosaic or cube."),
        ([("deep", 0)] * 3, "Use recipe deep's version of all 3 mosaics and cubes."),
        (
            [("deep", 0), ("deep", 0), ("upstream", 0), ("", 0), ("", 1)],
            "Use recipe deep's version of 2 of 5 mosaics and cubes and MAST's version of 1. Of 1, "
            "no version is sound and up to date. Of 1, this site shows MAST's version only.",
        ),
    ],
)
def test_the_first_page_says_it_in_short(choices, words):
    """For all mosaics together."""
    assert in_short(mosaics(*choices)) == words


def test_the_order_is_that_of_the_last_complete_run_or_of_the_generation(tmp_path):
    """Not of a run at work, or one that failed; of a mirror of an earlier version it is by name."""
    recipes = tuple(Recipe(name=name, programs=(1345,), stages=(1,)) for name in ("b", "a"))
    setup = Setup(config={}, recipes=recipes, software={})
    nothing, of_generation = recipe_order(tmp_path, 3, None), recipe_order(tmp_path, 3, setup)
    for number, order in enumerate((("b", "a"), ("a", "b"), ()), start=1):
        files = RunFiles(tmp_path / f"receipts/runs/2026030{number}T120000.000000Z-{number}")
        files.folder.mkdir(parents=True)
        if order:
            write(files.published, Published(generation=3, is_new=False, recipes=order))

    last = recipe_order(tmp_path, 3, setup)

    assert (last.names, last.source) == (("a", "b"), "in your config at the last complete run")
    assert (of_generation.names, nothing.names) == (("b", "a"), ())
    assert of_generation.source == "as recorded with generation 3" and "by name" in nothing.source


def test_a_config_with_another_order_of_recipes_is_not_unchanged(tmp_path, monkeypatch):
    """So the next run records the order, and writes the site."""
    monkeypatch.chdir(tmp_path)
    text = "mirror: m\nprograms: [{program: 1345}]\nrecipes: {%s: {}, %s: {}}\n"

    configs = [build_config(parse_yaml(text % names, "c")) for names in (("b", "a"), ("a", "b"))]

    assert [[each.name for each in config.recipes] for config in configs] == [
        ["b", "a"],
        ["a", "b"],
    ]
    parts = [conditions_of(config).parts["config"] for config in configs]
    assert parts[0] != parts[1]
