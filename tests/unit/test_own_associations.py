"""Association files as people write them: `asn_from_list`, notebooks, an editor."""

import json
import warnings
from pathlib import Path

import pytest
import yaml
from jwst.associations import load_asn
from jwst.associations.asn_from_list import asn_from_list
from jwst.associations.lib.rules_level2_base import DMSLevel2bBase
from jwst.associations.lib.rules_level3_base import DMS_Level3_Base

from jwmirror.core.errors import CalibrationError, ConfigError
from jwmirror.pipeline.associations.reading import read_own_associations
from tests.setup.command_line import answer
from tests.setup.configs import parse

EXPOSURES = [f"jw01346003001_02101_0000{n}_mirimage" for n in (1, 2, 3, 4)]
CALS, RATES = ([f"{root}_{suffix}.fits" for root in EXPOSURES] for suffix in ("cal", "rate"))


def saved(folder: Path, association, name: str = "mine_asn.json") -> Path:
    """A file with an association of jwst, as notebooks write it."""
    path = folder / name
    path.write_text(association.dump()[1])
    return path


def as_jwst_loads(path: Path) -> list[list[tuple[str, str]]]:
    """Members and roles of each product, by the loader of jwst."""
    with warnings.catch_warnings(), path.open() as file:
        warnings.simplefilter("ignore")  # of paths, and of YAML
        loaded = load_asn(file)
    return [
        [(Path(each["expname"]).name, each["exptype"]) for each in product["members"]]
        for product in loaded["products"]
    ]


def as_we_read(path: Path) -> list[list[tuple[str, str]]]:
    """The same by jwmirror."""
    return [
        [(member.name, member.exptype) for member in association.members]
        for association in read_own_associations(path)
    ]


def mosaic(*names: str):
    """What notebooks make for stage 3."""
    return asn_from_list(names, rule=DMS_Level3_Base, product_name="My_Mosaic")


def spectra(*names: str):
    """What notebooks make for stage 2: each exposure with a background, also for selfcal."""
    made = asn_from_list(names, rule=DMSLevel2bBase)
    made["asn_type"] = "spec2"
    for product in made["products"]:
        for role in ("background", "selfcal"):
            product["members"].append({"expname": RATES[3], "exptype": role})
    return made


@pytest.mark.parametrize(
    ("association", "asn_type", "products"),
    [
        (mosaic(*CALS), "", ["my_mosaic"]),
        (mosaic(*(f"./stage2/{name}" for name in CALS)), "", ["my_mosaic"]),
        (spectra(*RATES[:2]), "spec2", EXPOSURES[:2]),
        (spectra(*(f"/data/stage1/{name}" for name in RATES[:2])), "spec2", EXPOSURES[:2]),
    ],
    ids=["list", "paths", "two roles, two products", "products with paths"],
)
def test_what_notebooks_write_is_read_as_jwst_reads_it(tmp_path, association, asn_type, products):
    """Type, program and paths may be missing or odd; members and roles are the same."""
    path = saved(tmp_path, association)

    assert as_we_read(path) == as_jwst_loads(path)
    read = read_own_associations(path)
    assert [(each.asn_type, each.program, each.product) for each in read] == [
        (asn_type, 1346, product) for product in products
    ]
    assert {each.stage for each in read} == {2 if asn_type else 3}


def test_yaml_is_read_as_jwst_reads_it(tmp_path):
    """By the name of the file."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(json.loads(mosaic(*CALS).dump()[1])))

    assert as_we_read(path) == as_jwst_loads(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "a": 1,\n "products": [\n  {},\n ]\n}', "line 4: a comma after the last"),
        ('{\n "products": [1],\n}', "line 2: a comma after the last item"),
        ('{"products": [1,\n\n]}', "line 1: a comma after the last item"),
        ('{\n "asn_type" "image3"}', "line 2, column 13: it is not JSON: Expecting ':' delim"),
        ("[1, 2", "line 1, column 6: it is not JSON"),
        ("", "it is empty;"),
    ],
)
def test_a_mistake_in_json_is_named_with_its_line(tmp_path, text, message):
    """A trailing comma as such: jwst takes such a file for YAML."""
    (tmp_path / "mine.json").write_text(text)

    with pytest.raises(CalibrationError, match=f"mine.json: it is not an association.*{message}"):
        read_own_associations(tmp_path / "mine.json")


@pytest.mark.parametrize("text", ["a: &x [*x]", "- 1\n- 2", "a: [", "x", "products: 3"])
def test_yaml_that_is_no_association_is_refused(tmp_path, text):
    """With the file's name, and never with another error."""
    (tmp_path / "mine.yaml").write_text(text)

    with pytest.raises(CalibrationError, match=r"mine\.yaml: it is not an association"):
        read_own_associations(tmp_path / "mine.yaml")


SCIENCE = {"expname": CALS[0], "exptype": "science"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CALS, "the file: expected the keys products, found"),
        ({"asn_type": "image3"}, "the file has no products;"),
        ({"products": 3}, "products: expected a list, found 3;"),
        ({"products": [{"name": "m", "members": "a"}]}, "product 1, members: expected a list"),
        ({"products": [{"name": "m", "members": CALS}]},
         f"product 1, member 1: expected the keys expname, exptype, found '{CALS[0][:9]}"),
        ({"products": [{"name": "m", "members": [SCIENCE, {"expname": CALS[0]}]}]},
         "product 1, member 2 has no exptype;"),
        ({"products": [{"name": "m", "members": [SCIENCE | {"exptype": "sci"}]}]},
         "it has no science member; found exptype sci;"),
        ({"products": [{"name": "m", "members": []}]}, "found exptype no member"),
        ({"products": [{"name": "m", "members": [SCIENCE | {"expname": None}]}]},
         "expname: expected a name, found nothing;"),
        ({"products": [{"name": "m", "members": [SCIENCE | {"expname": "jw*_cal.fits"}]}]},
         "expname: expected a name, found 'jw*_cal.fits';"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_member_is_named_with_its_position(tmp_path, content, message):
    """In words of the file, not of Python."""
    (tmp_path / "mine.json").write_text(json.dumps(content))

    with pytest.raises(CalibrationError) as error:
        read_own_associations(tmp_path / "mine.json")

    assert message in str(error.value)


def test_a_file_that_is_no_text_or_not_there_is_refused_with_a_sentence(tmp_path):
    """The path of a missing one is absolute, so that one sees where a relative one starts."""
    (tmp_path / "cal.fits").write_bytes(b"SIMPLE  = T \xb8")

    with pytest.raises(CalibrationError, match="it is not text, but JSON or YAML was expected"):
        read_own_associations(tmp_path / "cal.fits")
    with pytest.raises(CalibrationError, match=f"{Path.cwd()}/none.json: No such file"):
        read_own_associations(Path("none.json"))


def test_a_tilde_is_the_home_of_the_user(tmp_path, monkeypatch):
    """As in the paths of parameters."""
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(tmp_path, mosaic(*CALS))

    (association,) = read_own_associations(Path("~/mine_asn.json"))

    assert association.product == "my_mosaic"


def test_without_type_suffix_and_rule_the_type_must_be_written(tmp_path):
    """The message says so."""
    path = tmp_path / "mine.json"
    members = [{"expname": "sky.fits", "exptype": "science"}]
    path.write_text(json.dumps({"program": 1, "products": [{"name": "x", "members": members}]}))

    with pytest.raises(CalibrationError, match=r"it has no asn_type, .*; write asn_type"):
        read_own_associations(path)


# ---- in a config -------------------------------------------------------------------------------


def config(tmp_path: Path, stages: list[int], **recipe: object) -> Path:
    """A config with one recipe."""
    path = tmp_path / "config.yaml"
    content = {"programs": [1346], "recipes": {"r": {"stages": stages, **recipe}}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("association", "stages"),
    [(mosaic(*CALS), [3]), (mosaic(*(f"./stage2/{name}" for name in CALS)), [3]),
     (spectra(RATES[0]), [2])],
)  # fmt: skip
def test_the_associations_of_notebooks_are_no_mistakes(tmp_path, association, stages):
    """From the cases 02 of recalibration: by list, with paths, background and selfcal."""
    path = saved(tmp_path, association)

    recipe = {"stages": stages, "associations": [str(path)]}
    checked = parse({"programs": [1346], "recipes": {"r": recipe}})

    assert checked.recipes[0].associations == (str(path),)


def test_check_notes_which_files_the_members_of_notebooks_are(tmp_path):
    """Own ones where the folders exist; else those of the recipe or MAST."""
    (tmp_path / "stage2").mkdir()
    (tmp_path / "stage2" / CALS[0]).write_bytes(b"mine")
    path = saved(tmp_path, mosaic(*(f"./stage2/{name}" for name in CALS)))

    checked = answer("check", "--config", config(tmp_path, [3], associations=[str(path)]))

    own, absent = (note for note in checked["notes"] if f"associations: {path}: " in note)
    assert f"your own files are members, not those of the recipe or MAST: {tmp_path}/stage2/" in own
    assert f"there is no {tmp_path}/stage2/{CALS[1]}, " in absent and "are members" in absent


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("jw01346-o010_t009_niriss_clear-f200w_source-match_cat.ecsv", True),
        (RATES[1].replace("_rate", "_rate_bkgsub"), True),
        (RATES[1].replace("_rate", "_skysub_rate"), True),
        ("jw01346-o010_t009_niriss_clear-f200w_cat.ecsv", False),
        (RATES[1], False),
        (RATES[1].replace("_rate", "_o003_crf"), False),
    ],
)
def test_a_name_with_an_addition_is_an_own_file_beside_the_association(tmp_path, name, is_own):
    """STScI's notebook on WFSS edits a catalogue so. No recipe makes such a file."""
    path = saved(tmp_path, spectra(RATES[0]))
    content = json.loads(path.read_text())
    content["products"][0]["members"].append({"expname": name, "exptype": "sourcecat"})
    path.write_text(json.dumps(content))

    absent = read_own_associations(path)[0].members[-1]
    (tmp_path / name).write_bytes(b"mine")
    present = read_own_associations(path)[0].members[-1]

    assert (absent.path, present.path) == ("", str(tmp_path / name) if is_own else "")


@pytest.mark.parametrize("name", ["jw01346_cat.ecsv", "jw01346_full_mosaic_i2d.fits", "cat.ecsv"])
def test_a_name_without_observation_is_an_own_file(tmp_path, name):
    """No product of MAST or of a recipe has one; so a missing file is a mistake."""
    path = saved(tmp_path, spectra(RATES[0]))
    content = json.loads(path.read_text())
    content["products"][0]["members"].append({"expname": name, "exptype": "sourcecat"})
    path.write_text(json.dumps(content))

    member = read_own_associations(path)[0].members[-1]

    assert member.path == str(tmp_path / name)


def test_a_missing_own_file_is_named_with_the_line_that_asks_for_it(tmp_path):
    """Case 11: members by content; and a shutter configuration."""
    members = [("science", RATES[0]), ("sourcecat", "my_cat.ecsv"), ("segmap", "my_segm.fits")]
    listed = [{"expname": name, "exptype": role} for role, name in members]
    content = {"asn_type": "spec2", "products": [{"name": "x", "members": listed}]}
    (tmp_path / "asn.json").write_text(json.dumps(content))
    (tmp_path / "my_segm.fits").write_bytes(b"mine")
    files = {"associations": [str(tmp_path / "asn.json")], "msa": {"jw01346_msa.fits": "gone.fits"}}
    path = config(tmp_path, [2], **files)

    second, first = answer("check", "--config", path, code=2)["mistakes"]

    assert first == (
        f"{path}, line 8: recipes.r.associations[0]: {tmp_path}/asn.json, sourcecat member "
        f"my_cat.ecsv: expected a file that can be read; {tmp_path}/my_cat.ecsv: No such file or "
        "directory"
    )
    assert second.startswith(f"{path}, line 10: recipes.r.msa.jw01346_msa.fits: gone.fits: expec")


def test_a_program_that_nothing_shows_must_be_written(tmp_path):
    """Of files that are all the user's."""
    path = tmp_path / "mine.json"
    members = [{"expname": "sky.fits", "exptype": "science"}]
    content = {"asn_type": "image3", "program": "noprogram"}
    path.write_text(json.dumps({**content, "products": [{"name": "x", "members": members}]}))

    with pytest.raises(CalibrationError, match="found 'noprogram' and no name of a member that"):
        read_own_associations(path)


def test_jobs_of_a_run_do_not_look_for_own_files(tmp_path):
    """A file that vanishes during a run affects only what needs it."""
    recipe = {"stages": [2], "msa": {"jw01346_msa.fits": "gone.fits"}}
    raw = {"programs": [1346], "recipes": {"r": recipe}}

    assert parse(raw, check_parameters=False).recipes[0].msa == recipe["msa"]
    with pytest.raises(ConfigError, match=r"gone\.fits"):
        parse(raw)


@pytest.mark.parametrize(
    ("msa", "message"),
    [({"mine.fits": "x.fits"}, "shutter configuration"), ({}, "msa"), ({"jw1_msa.fits": 3}, "msa")],
)
def test_shutters_are_named_by_what_exposures_ask_for(msa, message):
    """Other keys would have no effect."""
    with pytest.raises(ConfigError, match=message):
        parse({"programs": [1346], "recipes": {"r": {"stages": [2], "msa": msa}}})
