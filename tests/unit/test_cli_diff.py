"""`jwmirror diff`: two generations, two recipes, or one file in them, of a small mirror."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin
from tests.setup import command_line
from tests.setup.calibrated_image import Toy
from tests.setup.mirrors import EXPOSURE, MOSAIC, made_from

CAL = f"{EXPOSURE}_cal.fits"
UPSTREAM = f"upstream/jw01345/o001/{CAL}"
DEEP, QUICK = (f"recalibrated/{recipe}/jw01345/o001/{CAL}" for recipe in ("deep", "quick"))
ASN = "jw01345-o001_image3_asn.json"
HASH = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{8,64}\b")


def run_diff(*arguments: object, code: int = 0) -> str:
    """What `jwmirror diff ARGUMENTS` prints; its exit code must be `code`."""
    return command_line.run("diff", *arguments, code=code)


@pytest.fixture
def mirror(empty_mirror):
    """Two generations: in the second, one file is reprocessed, one recalibrated, one gone."""
    made = empty_mirror
    made.hold(CAL, Toy().write)
    made.hold(ASN, lambda path: path.write_text("{}"))
    made.hold("same_pool.csv", lambda path: path.write_text("same"))
    jump = {"rejection_threshold": 4.0}
    made.make(made_from("image2", EXPOSURE, "x_rate.fits", jump=jump), CAL, Toy().write)
    made.rows[QUICK] = replace(made.rows[DEEP], path=QUICK, origin="quick")
    made.publish()
    toy = Toy().card("CAL_VER", "1.19.0").set("SCI", (3, 4), np.nan).set("DQ", (3, 4), 1)
    made.hold(CAL, toy.write, cal_ver="1.19.0", crds_ctx="jwst_1400.pmap")
    toy = Toy().card("S_JUMP", "SKIPPED")
    jump = {"rejection_threshold": 5.0}
    made.make(made_from("image2", EXPOSURE, "x_rate.fits", jump=jump), CAL, toy.write)
    del made.rows[f"upstream/jw01345/o001/{ASN}"]
    made.hold("new_pool.csv", lambda path: path.write_text("new"))
    made.rows["upstream/jw01345/o001/same_pool.csv"] = replace(
        made.rows["upstream/jw01345/o001/same_pool.csv"], state="vanished"
    )
    made.publish()
    return made


def test_two_generations_are_compared_file_by_file(mirror):
    """New, changed, marked and gone, each with why."""
    page = " ".join(run_diff("1", "current", "--mirror", mirror.root).split())

    same = "equal science content: only dates, names and the like differ"
    marked = "1 with equal content and new information, 1 gone"
    counts = f"1 new, 2 changed (1 of them with {same}), {marked}"
    assert f"generation 1 -> generation 2: {counts}" in page
    reprocessed = "MAST reprocessed jw01345 o001: CAL_VER 1.18.0 -> 1.19.0, CRDS_CTX jwst_1322.pmap"
    parameter = "jump.rejection_threshold 4.0 -> 5.0 (recipe deep, image2): 1 file"
    unlisted = "no longer listed by MAST (kept here), jw01345 o001: 1 file"
    assert f"{UPSTREAM} [{_number(reprocessed, page)}]" in page
    assert f"{DEEP} [{_number(parameter, page)}; equal science content]" in page
    assert f"same_pool.csv [{_number(unlisted, page)}]" in page


def test_without_sides_the_current_generation_is_compared_with_the_one_before(mirror):
    """One side is compared with the generation before it; the first has none."""
    both, none, one = (run_diff(*sides, "--mirror", mirror.root) for sides in (("1", "2"), (), "2"))

    assert both == none == one and "generation 1 -> generation 2: 1 new" in none
    assert "generation 1 deep -> generation 2 deep" in run_diff(":deep", "--mirror", mirror.root)
    assert "generation 1 is the first" in run_diff("1", "--mirror", mirror.root, code=1)


def _number(cause: str, page: str) -> str:
    """The number that a page gives a cause."""
    before, found, _ = page.partition(f"] {cause}")
    assert found, (cause, page)
    return before.rpartition("[")[2]


def test_hashes_appear_with_verbose_only(mirror):
    """Of the content of inputs, and of MAST's checksums."""
    brief = run_diff("1", "2", "--all", "--mirror", mirror.root)
    page = run_diff("1", "2", "--all", "--verbose", "--mirror", mirror.root)

    assert not HASH.search(brief) and "jump.rejection_threshold: 4.0 -> 5.0" in page


def test_a_difference_as_json(mirror):
    """Every key of the records, by kind of change."""
    found = json.loads(run_diff("1", "2", "--json", "--mirror", mirror.root))

    kinds = [(each["kind"], (each["new"] or each["old"])["path"]) for each in found["files"]]
    assert found["old"] == {"generation": 1, "origin": ""}
    assert kinds == [
        ("new", "upstream/jw01345/o001/new_pool.csv"),
        ("changed", DEEP),
        ("changed", UPSTREAM),
        ("gone", f"upstream/jw01345/o001/{ASN}"),
        ("marked", "upstream/jw01345/o001/same_pool.csv"),
    ]


def test_json_of_a_file_has_the_documented_keys(mirror):
    """Every key of a comparison, and of its parts, stands in docs/commands.md."""
    words = ("1", "2", CAL, "--recipe", "upstream", "--json", "--mirror", mirror.root)
    (found,) = json.loads(run_diff(*words))["files"]

    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    image = found["comparison"]["images"][0]
    for keys in (found, found["comparison"], image, image["spread"]):
        assert all(f"`{key}`" in page for key in keys)
    assert found["comparison"]["verdict"] == "pixels changed"
    assert (image["hdu"], image["old_nan"], image["new_nan"]) == ("SCI", 3, 4)


def test_a_generation_does_not_differ_from_itself(mirror):
    """No difference is said to be none."""
    assert "no difference" in run_diff("2", "2", "--mirror", mirror.root)


def test_one_recipe_alone(mirror):
    """--recipe, and a recipe on one side, leave out the others' files."""
    for words in (("1", "2", "--recipe", "deep"), ("1:deep", "2"), ("1", ":deep")):
        found = json.loads(run_diff(*words, "--json", "--mirror", mirror.root))
        assert [each["new"]["path"] for each in found["files"]] == [DEEP]


def test_a_file_is_told_in_one_word_first(mirror):
    """What changed comes to, then the parts; upstream and recipe are told apart."""
    both = run_diff("1", "2", CAL, "--mirror", mirror.root)
    upstream = run_diff("1", "2", CAL, "--recipe", "upstream", "--mirror", mirror.root)
    same = run_diff("2", "2", UPSTREAM, "--mirror", mirror.root)

    assert both.startswith("generation 1 -> generation 2: 2 of 3 files differ")
    assert upstream.startswith("pixels changed")
    assert same.startswith("identical")
    assert "jump.rejection_threshold 4.0 -> 5.0 (recipe deep, image2)" in both
    page = " ".join(upstream.split())
    assert "CAL_VER: 1.18.0 -> 1.19.0" in page
    assert "SCI 40x50 float32 0 (0 %) 0 0 3 -> 4" in page
    assert "3 -> 4" in page
    assert "DQ DO_NOT_USE 1 0" in page


def test_several_files_begin_with_how_many_differ(mirror):
    """Each with its verdict; those that are identical are not repeated."""
    page = run_diff("1", "2", CAL, "--mirror", mirror.root)
    lines = [line.strip() for line in page.splitlines()]

    assert lines[1:4] == [
        f"{DEEP}: header only",
        f"{QUICK}: identical",
        f"{UPSTREAM}: pixels changed",
    ]
    assert lines.count("pixels changed") == 1 and page.count(QUICK) == 1


def test_a_file_alone_is_compared_with_the_generation_before(mirror):
    """Or with one side; the first line says which two versions these are."""
    alone = run_diff(CAL, "--mirror", mirror.root)
    path = run_diff(f"mirror/current/{DEEP}", "--mirror", mirror.root)
    of_recipe = run_diff(":deep", CAL, "--mirror", mirror.root)
    numbered = run_diff("2", CAL, "--recipe", "deep", "--mirror", mirror.root)

    assert alone == run_diff("1", "2", CAL, "--mirror", mirror.root)
    assert path.startswith("Compared: generation 1 -> generation 2\nheader only")
    assert of_recipe.startswith("Compared: generation 1 deep -> generation 2 deep\nheader only")
    assert numbered == of_recipe


def test_a_file_that_did_not_change_last_gets_commands_that_compare_it(mirror):
    """Its last change, MAST's version and a recipe's, two recipes; each of them works."""
    mirror.hold("other_pool.csv", lambda path: path.write_text("other"))
    mirror.publish("nothing of it")

    said = " ".join(run_diff(CAL, "--mirror", mirror.root, code=1).split())
    first = " ".join(run_diff("1", CAL, "--mirror", mirror.root, code=1).split())

    assert f"{CAL}: the same in generations 2 and 3" in said
    assert "generation 1 is the first" in first
    commands = [command.split() for command in re.findall(r"`jwmirror diff ([^`]*)`", said)]
    sides = [command[:2] for command in commands]
    assert sides == [["1", "2"], [":upstream", ":deep"], [":deep", ":quick"]]
    for command in commands:
        assert CAL in run_diff(*command)


def test_a_pin_with_a_dot_is_no_file(mirror):
    """A side comes before a file of that name."""
    add_pin(mirror.root, "v1.0", 2)

    assert run_diff("v1.0", "--mirror", mirror.root) == run_diff("2", "--mirror", mirror.root)


def test_a_product_is_compared_between_recipes_and_upstream(mirror):
    """The same file of two recipes of one generation, or of a recipe and upstream."""
    recipes = run_diff(":quick", ":deep", CAL, "--mirror", mirror.root)
    upstream = run_diff("current:upstream", "1:deep", CAL, "--mirror", mirror.root)

    assert recipes.startswith("header only")
    assert f"{QUICK} -> {DEEP}" in recipes
    assert "S_JUMP: COMPLETE -> SKIPPED" in recipes
    assert upstream.startswith("pixels differ")
    assert "CAL_VER: 1.19.0 -> 3.0.0" in upstream


def test_a_path_finds_its_counterpart_in_another_recipe(mirror):
    """A path below one recipe stands for the product, whatever side it is of."""
    page = run_diff(":quick", ":deep", f"mirror/current/{QUICK}", "--mirror", mirror.root)

    assert f"{QUICK} -> {DEEP}" in page


def test_a_pin_names_a_side(mirror):
    """A name that was given to a generation stands for it, with a recipe or without."""
    add_pin(mirror.root, "paper", 1)

    plain = json.loads(run_diff("paper", "current", "--json", "--mirror", mirror.root))
    recipe = json.loads(run_diff("paper:deep", ":deep", "--json", "--mirror", mirror.root))
    said = run_diff("papre", "current", "--mirror", mirror.root, code=1)

    assert plain["old"] == {"generation": 1, "origin": ""}
    assert recipe["old"] == {"generation": 1, "origin": "deep"}
    assert "a pin (paper (1))" in " ".join(said.split())


def test_a_file_of_one_side_only(mirror):
    """What came or went between the states is said so."""
    assert "only on the first side" in run_diff("1", "2", ASN, "--mirror", mirror.root)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("1", "9"), "there is no generation 9"),
        (
            ("deep", "2"),
            "a pin (no pins exist) or `current`; a recipe of the current generation is :deep",
        ),
        ((":shallow", "2"), "these are: deep, quick, upstream"),
        (("1", "2", CAL.replace("cal", "cak")), f"did you mean {CAL}"),
    ],
)
def test_what_is_not_there_is_told(mirror, words, told):
    """Generations, recipes and files that are not there, with what is."""
    assert told in " ".join(run_diff(*words, "--mirror", mirror.root, code=1).split())


def test_an_object_that_decayed_is_told(mirror):
    """A comparison is of the bytes that were stored, or it is an error."""
    path = Objects(mirror.root).path(mirror.rows[UPSTREAM].sha256)
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-5000] + bytes([content[-5000] ^ 1]) + content[-4999:])

    said = run_diff("1", "2", UPSTREAM, "--mirror", mirror.root, code=1)

    assert f"sha256 of object {path}" in " ".join(said.split())


@pytest.fixture
def two_recipes(empty_mirror):
    """A mosaic and its catalogue of two recipes that set a parameter of stage 1, and one of 3."""
    made = empty_mirror
    made.hold(f"{EXPOSURE}_uncal.fits", Toy().write)
    for recipe, threshold, snr in (("quick", 7.0, 8.0), ("deep", 4.5, 10.0)):
        jump, detection = {"rejection_threshold": threshold}, {"snr_threshold": snr}
        rate = made_from("detector1", EXPOSURE, f"{EXPOSURE}_uncal.fits", jump=jump)
        image = made_from("image3", MOSAIC, f"{EXPOSURE}_rate.fits", source_catalog=detection)
        of_recipe = replace(image.inputs[0], identity=recipe)
        image = replace(image, inputs=(of_recipe,))
        for each, suffix in ((rate, "rate.fits"), (image, "i2d.fits"), (image, "cat.ecsv")):
            name = f"{each.product}_{suffix}"
            toy = Toy().set("SCI", (3, 4), threshold).card("SUFFIX", suffix)
            made.make(each, name, toy.write)
            row = made.rows.pop(f"recalibrated/deep/jw01345/o001/{name}")
            path = row.path.replace("deep", recipe)
            result = f"{each.pipeline}/{each.product}"
            made.rows[path] = replace(row, path=path, origin=recipe, result=result, identity="")
    made.publish()
    return made


def test_two_recipes_differ_by_what_differs_first(two_recipes):
    """A parameter of stage 1 in a mosaic; one of the catalogue is no cause of the image."""
    found = json.loads(run_diff(":deep", ":quick", "--json", "--mirror", two_recipes.root))
    page = " ".join(run_diff(":deep", ":quick", "--mirror", two_recipes.root).split())
    mosaic = run_diff(":deep", ":quick", f"{MOSAIC}_i2d.fits", "--mirror", two_recipes.root)

    names = {
        each["what"]: {path.rpartition("_")[2] for path in each["paths"]}
        for each in found["causes"]
    }
    assert names == {
        "jump.rejection_threshold": {"rate.fits", "i2d.fits", "cat.ecsv"},
        "source_catalog.snr_threshold": {"cat.ecsv"},
    }
    assert "jump.rejection_threshold 4.5 -> 7.0 (detector1): 3 files" in page
    assert "deep -> generation 1 quick: 3 differ" in page and "changed" not in page
    assert mosaic.startswith("pixels differ")
    assert "4.5 -> 7.0 (detector1)" in mosaic and "snr_threshold" not in mosaic


def test_files_that_one_recipe_has_alone_are_not_said_to_be_new(two_recipes):
    """Nor to be gone; they have no cause."""
    del two_recipes.rows[f"recalibrated/deep/jw01345/o001/{MOSAIC}_cat.ecsv"]
    two_recipes.publish()

    there, back = (
        run_diff(*sides, "--mirror", two_recipes.root)
        for sides in ((":deep", ":quick"), (":quick", ":deep"))
    )

    assert "1 only of quick, 2 differ" in there and "2 differ, 1 only of quick" in back
