"""Associations as MAST writes them, and as the pipelines are given them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jwst.associations import load_asn

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import GONE, Entry, Input
from jwmirror.core.model.association import Association, Member, PassedOver, pipeline_of_type
from jwmirror.pipeline.associations.checks import ignored_parts
from jwmirror.pipeline.associations.reading import (
    latest_of,
    read_association_file,
    read_associations,
    read_own_associations,
)
from jwmirror.pipeline.associations.writing import association_file
from tests.setup.records import association, derivation, entry, product

PRODUCT = "jw01345-o001_t001_nircam_clear-f200w-sub160"
EARLY = "jw01345-o001_20260101t000000_image3_00001_asn.json"
LATE = "jw01345-o001_20260202t000000_image3_00001_asn.json"


def content(**changes: object) -> dict:
    """An association of two exposures, the background first."""
    members = [
        {"expname": "b_cal.fits", "exptype": "background", "exposerr": "null"},
        {"expname": "a_cal.fits", "exptype": "science", "exposerr": "null"},
    ]
    plain = {
        "asn_type": "image3",
        "asn_id": "o001",
        "program": "01345",
        "products": [{"name": PRODUCT, "members": members}],
    }
    return {**plain, **changes}


def written(folder: Path, name: str = EARLY, **changes: object) -> Path:
    """An association file."""
    path = folder / name
    path.write_text(json.dumps(content(**changes)))
    return path


def archived(path: Path) -> tuple[Association, ...]:
    """The associations in a file of MAST."""
    return read_association_file(path, path.name)


def association_row(name: str, **fields: object) -> Entry:
    """A manifest row of an association; its sha256 stands for the file."""
    return entry(product(name), sha256=name, **fields)


def test_members_keep_their_order_and_their_type(tmp_path):
    """Order decides the reference frame of a mosaic, the type what a member is for."""
    (found,) = archived(written(tmp_path))

    assert [(m.name, m.exptype) for m in found.members] == [
        ("b_cal.fits", "background"),
        ("a_cal.fits", "science"),
    ]
    assert (found.program, found.candidate, found.product) == (1345, "o001", PRODUCT)


TWICE = [{"expname": "a_cal.fits", "exptype": "science"}] * 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"products": []}, "it has no product"),
        (
            {"products": [{"name": PRODUCT, "members": TWICE}]},
            "a_cal.fits is a member twice, as science",
        ),
        ({"products": [{"name": PRODUCT, "members": []}]}, "no science member"),
        ({"products": [{"name": "../x", "members": TWICE[:1]}]}, "expected a name"),
        ({"products": [{"members": TWICE[:1]}]}, "product 1 has no name;"),
        ({"asn_type": None}, "expected a name"),
        ({"program": "x"}, "expected a number of up to five digits, found 'x'"),
        ({"program": None}, "found None"),
        ({"program": float("inf")}, "found inf"),
        ({"program": float("nan")}, "found nan"),
        ({"program": 10**400}, "found 1000"),
        ({"program": -1}, "found -1"),
        ({"asn_id": "o001\n"}, "expected a name"),
        ({"products": [{"name": "..", "members": TWICE[:1]}]}, "expected a name"),
        ({"products": [{"name": "a\0b", "members": TWICE[:1]}]}, "expected a name"),
        ({"products": [{"name": "a\ud800", "members": TWICE[:1]}]}, "expected a name"),
        ({"asn_id": ""}, "expected a name, found ''"),
        (
            {"asn_type": "image4"},
            "asn_type is image4; expected ami3, coron3, image2, image3, spec2",
        ),
    ],
)
def test_a_broken_association_is_told_by_name(tmp_path, changes, told):
    """The error names the file and what is wrong with it."""
    with pytest.raises(CalibrationError, match=f"{EARLY}: .*{told}"):
        archived(written(tmp_path, **changes))


@pytest.mark.parametrize(
    ("said", "instead"), [("group_id", "between image2"), ("tweakreg_catalog", "tweakreg.catfile")]
)
def test_what_would_be_lost_of_an_own_association_is_told(tmp_path, said, instead):
    """jwst reads it from members, and jwmirror does not pass it on: with what does the same."""
    members = [{"expname": "a_cal.fits", "exptype": "science", said: "mine"}]
    blank = [{**members[0], said: ""}]

    def told(members: list) -> list[str]:
        products = [{"name": PRODUCT, "members": members}]
        (found,) = archived(written(tmp_path, "mine.json", products=products))
        return [*ignored_parts(found)]

    (line,) = told(members)
    assert line.startswith(f"member a_cal.fits: {said} does not reach jwst") and instead in line
    assert told(blank) == []


@pytest.mark.parametrize(
    ("asn_type", "science", "besides"),
    [
        ("image2", "rate", []),
        ("wfs-image2", "rate", []),
        ("tso-spec2", "rateints", []),
        ("nrslamp-spec2", "rate", [("imprint", "rate")]),
        ("spec2", "rate", [("background", "rate"), ("sourcecat", "cat"), ("segmap", "segm")]),
        ("wfs-image3", "cal", []),
        ("tso3", "calints", []),
        ("spec3", "cal", [("background", "x1d"), ("target_acquisition", "cal")]),
        ("coron3", "calints", [("psf", "calints")]),
        ("ami3", "calints", [("psf", "calints")]),
    ],
)
def test_an_own_association_of_each_kind_may_be_used(tmp_path, asn_type, science, besides):
    """As jwst makes them: what stands beside the science may be of any level."""
    kinds = [("science", science), *besides]
    members = [{"expname": f"{i}_{e}.fits", "exptype": kind} for i, (kind, e) in enumerate(kinds)]
    products = [{"name": "jw01345001001_mosaic", "members": members}]

    (found,) = archived(written(tmp_path, asn_type=asn_type, products=products))

    assert [*ignored_parts(found)] == []


def test_the_latest_held_association_counts(tmp_path):
    """A restamped association replaces the earlier one, whatever the order of the rows."""
    for name in (EARLY, LATE):
        written(tmp_path, name)
    rows = [association_row(LATE), association_row(EARLY)]

    found = read_associations(rows, lambda sha256: tmp_path / sha256).found

    assert [each.name for each in found] == [LATE]


def test_one_that_vanished_counts_only_without_another(tmp_path):
    """An association that MAST no longer lists serves until there is a held one."""
    for name in (EARLY, LATE):
        written(tmp_path, name)

    both = read_associations(
        [association_row(EARLY), association_row(LATE, state=GONE)], tmp_path.joinpath
    ).found
    alone = read_associations([association_row(LATE, state=GONE)], tmp_path.joinpath).found

    assert [each.name for each in both] == [EARLY]
    assert [each.name for each in alone] == [LATE]


def test_a_broken_one_does_not_hide_the_others(tmp_path):
    """It is listed as broken, and the rest is read."""
    written(tmp_path, EARLY)
    (tmp_path / "jw01345-o002_x_asn.json").write_text("<html>")

    found = read_associations(
        [association_row("jw01345-o002_x_asn.json"), association_row(EARLY)], tmp_path.joinpath
    )

    assert [each.name for each in found.found] == [EARLY]
    assert [each.name for each in found.broken] == ["jw01345-o002_x_asn.json"]


def test_the_file_for_a_pipeline_is_read_by_jwst_and_has_no_stamp():
    """Members in order with their types, the candidate's id, and no date."""
    mosaic = derivation(
        "image3",
        PRODUCT,
        inputs=(
            Input(name="b_cal.fits", role="background"),
            Input(name="a_cal.fits", role="science"),
        ),
    )

    name, text = association_file(mosaic)
    loaded = load_asn(text)

    assert name == f"{PRODUCT}_image3_asn.json"
    assert loaded["asn_id"] == "o001"
    assert loaded["products"][0]["members"] == [
        {"expname": "b_cal.fits", "exptype": "background"},
        {"expname": "a_cal.fits", "exptype": "science"},
    ]


def test_the_file_for_a_pipeline_has_nothing_but_the_derivation():
    """Field by field: what jwst copies into products must not differ between equal results."""
    item = Input(name="jw01345001001_x_cal.fits", role="science")
    shutters = Input(name="msa.fits", role="msa")
    of = derivation("spec3", "mine", engine={"jwst": "3.0.0"}, inputs=(item, shutters))

    name, text = association_file(of)

    assert name == "mine_spec3_asn.json"
    assert text == json.dumps(json.loads(text), indent=1)
    assert json.loads(text) == {
        "asn_type": "spec3",
        "asn_rule": "jwmirror",
        "asn_id": "a3001",
        "asn_pool": "none",
        "program": "01345",
        "target": "none",
        "version_id": None,
        "code_version": "3.0.0",
        "degraded_status": "No known degraded exposures in association.",
        "constraints": "none",
        "products": [
            {"name": "mine", "members": [{"expname": item.name, "exptype": "science"}]},
        ],
    }


def of(candidate: str, product_name: str = "p", count: int = 1, **fields: object) -> Association:
    """An association with so many members."""
    names = [f"{n}_rate.fits" for n in range(count)]
    kind = str(fields.pop("kind", "image2"))
    return association(kind, product_name, *names, candidate=candidate, **fields)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([of("o001", name="early"), of("o001", name="late")], ["late"]),
        ([of("o001", count=3, name="early"), of("o001", name="late")], ["late"]),
        ([of("c1001", name="c"), of("o001", name="o", count=2)], ["o"]),
        ([of("o001", name="o"), of("c1001", name="c")], ["o"]),
        ([of("o001", "q", name="q"), of("o001", "p", name="p")], ["p", "q"]),
        ([of("o001", name="2"), of("o001", name="3", kind="image3")], ["2", "3"]),
    ],
)
def test_one_association_per_product_and_type_counts(given, kept):
    """Of one candidate the last; of several the one with most members; sorted by product."""
    assert [each.name for each in latest_of(given)] == kept


def test_a_file_that_cannot_be_read_is_told_with_the_remedy(tmp_path):
    """Missing, or of other bytes; the user's own is told to be corrected."""
    with pytest.raises(CalibrationError, match=r"gone\.json: .*No such file.*; fetch it again"):
        read_association_file(tmp_path / "gone.json", "gone.json")
    (tmp_path / "mine.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CalibrationError, match=r"mine\.json: it is not an association.*; correct"):
        read_own_associations(tmp_path / "mine.json")


@pytest.mark.parametrize(
    ("program", "expected"), [("01345", 1345), (7, 7), ("noprogram", 1111), ("", 1111)]
)
def test_a_program_is_a_number_or_that_of_the_first_member(tmp_path, program, expected):
    """Notebooks write `noprogram`."""
    members = [{"expname": f"jw0{n}001001_a_cal.fits", "exptype": "Science"} for n in (1111, 2222)]
    products = [{"name": "Mine", "members": members}]

    (found,) = archived(written(tmp_path, program=program, products=products))

    assert (found.program, found.product) == (expected, "mine")
    assert [m.name for m in found.science] == [member["expname"] for member in members]


@pytest.mark.parametrize(
    ("name", "role", "asn_type", "expected"),
    [
        ("a_rate.fits", "science", "tso-image2", "a_rateints.fits"),
        ("a_cal.fits", "science", "TSO3", "a_calints.fits"),
        ("a_calints.fits", "science", "tso3", "a_calints.fits"),
        ("a_rate.fits", "background", "tso-spec2", "a_rate.fits"),
        ("a_rate.fits", "science", "spec2", "a_rate.fits"),
    ],
)
def test_time_series_take_files_with_integrations(tmp_path, name, role, asn_type, expected):
    """Their science members only."""
    others = [{"expname": "z_rateints.fits", "exptype": "science"}]
    products = [{"name": "p", "members": [{"expname": name, "exptype": role}, *others]}]

    (found,) = archived(written(tmp_path, asn_type=asn_type, products=products))

    assert found.members[0].name == expected


@pytest.mark.parametrize(
    ("asn_type", "name", "members", "told"),
    [
        ("image3", "p", [("a_cal.fits", "sceince")], "did you mean 'science'"),
        ("image3", "p", [("a_rate.fits", "science")], "science of image3 is _cal.fits or _calints"),
        ("image3", "p", [("a_cal.fits.gz", "science")], "science of image3 is _cal.fits"),
        ("image2", "p", [("a_cal.fits", "science")], "science of image2 is _rate.fits or _ratei"),
        ("image3", "jw01345001001_02101_00001_nrcb1", [("a_cal.fits", "science")], "as an exp"),
        ("image2", "p", [("a_rate.fits", "science"), ("b_rate.fits", "science")],
         "the first of several science members only: a_rate.fits, b_rate.fits"),
    ],
)  # fmt: skip
def test_what_jwst_would_ignore_is_told(asn_type, name, members, told):
    """Of a user's own association."""
    listed = tuple(Member(name=file, exptype=role) for file, role in members)
    found = replace(association(asn_type, name, "x_cal.fits"), members=listed)

    (line,) = ignored_parts(found)

    assert told in line


def test_an_association_of_stage_2_may_be_named_as_its_exposure():
    """And one of stage 3 may have several science members."""
    alone = association("image2", "jw01345001001_02101_00001_nrcb1", "a_rate.fits")

    assert [*ignored_parts(alone)] == []
    assert [*ignored_parts(association("image3", "p", "a_cal.fits", "b_cal.fits"))] == []


def test_rows_that_are_no_associations_are_passed_by(tmp_path):
    """Other products, and results."""
    written(tmp_path, EARLY)
    rows = [
        entry(product("jw01345-o001_t001_i2d.fits"), sha256="none"),
        Entry(path="recalibrated/deep/x_asn.json", origin="deep", sha256="none", size=1),
        association_row(EARLY),
    ]

    found = read_associations(rows, tmp_path.joinpath)

    assert [each.name for each in found.found] == [EARLY] and found.broken == ()


@pytest.mark.parametrize(
    "exptype",
    ["background", "imprint", "psf", "selfcal", "target_acquisition", "sourcecat", "segmap",
     "direct_image", "autoflat", "autowave", "dark", "engineering", "flat"],
)  # fmt: skip
def test_companions_of_each_type_may_be_used(exptype):
    """Of any level: only science is checked by its suffix."""
    listed = Member(name="b_x.y.fits", exptype=exptype)
    plain = association("image3", "p", "a_cal.fits")

    assert [*ignored_parts(replace(plain, members=(*plain.members, listed)))] == []


@pytest.mark.parametrize("name", ["a_cal.fits", "a_cal.v2.fits", "a_b_calints.fits"])
def test_the_suffix_of_a_member_is_its_last_part(name):
    """Up to the first dot."""
    assert [*ignored_parts(association("image3", "p", name))] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a_rate", "a_rateints"), ("a_cal.x.fits", "a_calints.x.fits"), ("a_rate_b.fits", None)],
)
def test_only_the_last_part_of_a_name_gets_its_integrations(tmp_path, name, expected):
    """With whatever extension it has."""
    products = [{"name": "p", "members": [{"expname": name, "exptype": "science"}]}]

    (found,) = archived(written(tmp_path, asn_type="tso3", products=products))

    assert [member.name for member in found.science] == [expected or name]


SEVEN = [f"jw03855-o001_20241103t042455_spec3_{number:05d}_asn.json" for number in range(1, 8)]


def seven_entries(folder: Path) -> list[Entry]:
    """Seven associations of one product name with other members each (jwst issue 8939)."""
    for number, name in enumerate(SEVEN):
        members = [{"expname": f"a{number}_cal.fits", "exptype": "science"}]
        products = [{"name": PRODUCT, "members": members}]
        written(folder, name, asn_type="spec3", products=products)
    return list(map(association_row, SEVEN))


def test_associations_that_are_passed_over_are_named(tmp_path):
    """The last one is used, and it is not done in silence."""
    read = read_associations(seven_entries(tmp_path), lambda name: tmp_path / name)

    assert [each.name for each in read.found] == SEVEN[-1:]
    assert read.passed_over == (PassedOver(used=SEVEN[-1], others=tuple(SEVEN[:-1])),)


def test_a_former_issue_of_an_association_is_not_passed_over(tmp_path):
    """Neither one that vanished, nor one with the same members under an older stamp."""
    written(tmp_path, EARLY)
    written(tmp_path, LATE)
    gone, *entries = seven_entries(tmp_path)[-2:]
    rows = [
        *(association_row(EARLY), association_row(LATE)),
        *(replace(gone, state=GONE), *entries),
    ]

    assert read_associations(rows, lambda name: tmp_path / name).passed_over == ()


@pytest.mark.parametrize(
    ("asn_type", "pipeline"),
    [
        *[(name, name) for name in ("image2", "spec2", "image3", "spec3")],
        *[(name, name) for name in ("tso3", "coron3", "ami3")],
        *[(f"{kind}-image2", "image2") for kind in ("tso", "wfs")],
        *[(f"{kind}-spec2", "spec2") for kind in ("tso", "nrslamp")],
        ("WFS-IMAGE3", "image3"),
        *[(name, "") for name in ("", "none", "user_built", "image4", "detector1", "image2-x")],
    ],
)
def test_the_last_part_of_a_type_is_the_pipeline(asn_type, pipeline):
    """So a new kind of image or spectrum needs no entry here."""
    assert pipeline_of_type(asn_type) == pipeline
