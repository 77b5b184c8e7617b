"""`jwmirror associate`: an association of what the mirror has, which a recipe takes unchanged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jwst.associations import load_asn

from jwmirror.core.model import Poll, canonical
from jwmirror.pipeline.associations.lists import association_of, takes_exposure
from jwmirror.pipeline.associations.reading import read_own_associations
from tests.setup.command_line import answer, run
from tests.setup.mirrors import SmallMirror
from tests.setup.records import association

ELEMENTS = {"name": "NIRCAM", "filter": "F200W", "pupil": "CLEAR", "detector": "NRCB1"}


def header(exp_type: str = "NRC_IMAGE", **values: object) -> str:
    """The header of an exposure; names of values are of `instrument`, or with __ of meta."""
    flags = {
        f"meta.{key.replace('__', '.')}": value for key, value in values.items() if "__" in key
    }
    instrument = ELEMENTS | {key: value for key, value in values.items() if "__" not in key}
    named = {f"meta.instrument.{key}": value for key, value in instrument.items()}
    return canonical(
        {**named, "meta.exposure.type": exp_type, "meta.subarray.name": "SUB", **flags}
    )


def root(observation: int) -> str:
    """The name of an exposure without its suffix."""
    return f"jw01345{observation:03d}001_02101_00001_nrcb1"


def short(member: dict[str, str]) -> str:
    """The suffix and the role of a member."""
    return f"{member['expname'].rpartition('_')[2][:-5]} {member['exptype']}"


PSF, BACKGROUND = {"exposure__psf_reference": True}, {"observation__bkgdtarg": True}


@pytest.mark.parametrize(
    ("asn_type", "exposures", "products"),
    [
        ("image3", [{}, {}], [["cal science", "cal science"]]),
        ("image3", [{}, {"filter": "F444W"}],
         [["cal science"], ["cal science"]]),
        ("image3", [{}, PSF], [["cal science", "cal science"]]),
        ("coron3", [{**PSF, "exp_type": "NRC_CORON"}, {"exp_type": "NRC_CORON"}],
         [["calints science", "calints psf"]]),
        ("spec3", [{"exp_type": "MIR_MRS"}, {**BACKGROUND, "exp_type": "MIR_MRS"}],
         [["cal science", "x1d background"]]),
        ("tso3", [{"exp_type": "NRC_TSIMAGE"}], [["calints science"]]),
        ("tso3", [{"visit__tsovisit": True}], [["calints science"]]),
        ("spec2", [{"exp_type": "MIR_MRS"}, {**BACKGROUND, "exp_type": "MIR_MRS"}],
         [["rate science", "rate background"]]),
        ("image2", [{}, {}], [["rate science"], ["rate science"]]),
    ],
)  # fmt: skip
def test_jwst_decides_roles_and_names_and_optical_paths_make_products(
    tmp_path, asn_type, exposures, products
):
    """jwst's loader reads the text; read as a recipe's, it has type and program."""
    listed = [(root(n), header(**given)) for n, given in enumerate(exposures, start=1)]
    path = tmp_path / "mine.json"

    path.write_text(association_of(asn_type, 1345, listed))

    loaded = load_asn(path.read_text())["products"]
    assert [[short(member) for member in product["members"]] for product in loaded] == products
    assert all(takes_exposure(asn_type, head) for _, head in listed)
    for read in read_own_associations(path):
        assert (read.asn_type, read.program) == (asn_type, 1345)
        assert not any(member.path for member in read.members)


def test_an_exposure_of_stage_2_has_the_members_of_its_known_association():
    """The catalogue of direct images, and backgrounds by nods, are not known from headers."""
    cat = "jw01345-o001_t001_niriss_cat.ecsv"
    known = association("spec2", root(1), f"{root(1)}_rate.fits", f"sourcecat:{cat}")

    text = association_of("spec2", 1345, [(root(n), header("NIS_WFSS")) for n in (1, 2)], [known])

    first, second = json.loads(text)["products"]
    assert [(each["expname"], each["exptype"]) for each in first["members"]] == [
        (f"{root(1)}_rate.fits", "science"), (cat, "sourcecat"),
    ]  # fmt: skip
    assert len(second["members"]) == 1


@pytest.mark.parametrize(
    ("asn_type", "exp_type"),
    [("image3", "NRC_TACQ"), ("image3", "MIR_MRS"), ("spec3", "NRC_IMAGE"), ("tso3", "NRC_IMAGE"),
     ("coron3", "NIS_AMI"), ("image2", "NRC_DARK"), ("spec2", "NRC_IMAGE")],
)  # fmt: skip
def test_exposures_of_other_kinds_are_left_out(asn_type, exp_type):
    """By the tables of the installed jwst."""
    assert not takes_exposure(asn_type, header(exp_type))


@pytest.fixture
def site(empty_mirror: SmallMirror, tmp_path, monkeypatch) -> Path:
    """Three exposures of three observations, mirrored, and a config that excludes the last."""
    monkeypatch.chdir(tmp_path)
    for observation in (5, 6, 7):
        held = empty_mirror.hold(
            f"{root(observation)}_uncal.fits",
            lambda path, n=observation: path.write_bytes(b"%d" % n),
        )
        empty_mirror.rows[held.path] = replace(held, header=header(), identity=f"i{observation}")
    empty_mirror.publish()
    empty_mirror.record("changes.json", Poll(listings=(), changes=()))
    exclude = [{"file": f"{root(7)}*", "because": "guide star lost"}]
    config = {
        "mirror": str(empty_mirror.root),
        "programs": [{"program": 1345}],
        "recipes": {"deep": {"exclude": exclude}, "early": {"stages": [1, 2]}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def associate(*words: object, code: int = 0) -> str:
    """The output of `jwmirror associate`."""
    return run("associate", "--config", "config.yaml", *words, code=code)


def test_the_written_file_is_taken_by_the_recipe_unchanged(site):
    """`check` has no objection to it."""
    words = ("--recipe", "deep", "--rule", "image3", "--observations", "5,6-7", "--out", "m.json")
    said = associate(*words)

    config = yaml.safe_load((site / "config.yaml").read_text())
    config["recipes"]["deep"]["associations"] = ["m.json"]
    (site / "config.yaml").write_text(yaml.safe_dump(config))
    checked = answer("check", "--config", "config.yaml")
    (product,) = json.loads((site / "m.json").read_text())["products"]

    assert "jw01345-a3001_nircam_f200w-clear (2 members)" in said
    assert "associations: [m.json]" in said
    assert [member["expname"] for member in product["members"]] == [
        f"{root(5)}_cal.fits", f"{root(6)}_cal.fits",
    ]  # fmt: skip
    assert checked["mistakes"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--recipe", "dep", "--rule", "image3"), "--recipe: unknown recipe 'dep'"),
        (("--recipe", "deep", "--rule", "image4"), "--rule: unknown type 'image4'"),
        (("--recipe", "early", "--rule", "image3"), "recipe early does not run"),
        (("--recipe", "deep", "--rule", "spec3"), "observations that have some: none"),
        (("--recipe", "deep", "--rule", "image3", "--observations", "9"), "have some: o005, o006"),
        (("--recipe", "deep", "--rule", "image3", "--observations", "x"), "found 'x', expected"),
        (
            ("--recipe", "deep", "--rule", "image3", "--observations", "6-5"),
            "found '6-5', expected",
        ),
        (("--recipe", "deep", "--rule", "image3", "--program", "2"), "of programs: 1345; name"),
    ],
)
def test_a_request_that_cannot_be_met_names_what_can(site, words, message):
    """Nothing is written."""
    said = associate(*words, "--out", "m.json", code=2)

    assert message in said and not (site / "m.json").exists()


def test_a_recipe_may_name_the_file_before_it_is_written(site):
    """As people do who write the config first."""
    config = yaml.safe_load((site / "config.yaml").read_text())
    config["recipes"]["deep"]["associations"] = ["m.json"]
    (site / "config.yaml").write_text(yaml.safe_dump(config))

    associate("--recipe", "deep", "--rule", "image3", "--out", "m.json")

    assert answer("check", "--config", "config.yaml")["mistakes"] == []


def test_no_file_is_overwritten(site):
    """Nor written through a link."""
    (site / "m.json").write_text("mine")
    (site / "link.json").symlink_to("elsewhere.json")

    for name in ("m.json", "link.json"):
        said = associate("--recipe", "deep", "--rule", "image3", "--out", name, code=2)
        assert f"--out {name}: exists already; nothing was written" in said

    assert (site / "m.json").read_text() == "mine" and not (site / "elsewhere.json").exists()
