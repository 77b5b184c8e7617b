"""`jwmirror products`: what the kinds of products are, what there is, how it belongs together."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.model import canonical
from jwmirror.core.model.quality import Caveat
from jwmirror.core.model.stored import GONE
from jwmirror.core.names import parse_product
from jwmirror.pipeline.parameters.vocabulary import SUFFIXES_OF_MAST
from jwmirror.services.inspect.answers.contents import mirror_contents, observation_files
from jwmirror.services.inspect.answers.product_kinds import KINDS, LEVELS, kind_of
from jwmirror.services.inspect.answers.recommended import mosaic_faults
from jwmirror.services.run.site import write_site
from jwmirror.store.manifest import entries_of
from tests.conftest import need
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, MOSAIC
from tests.setup.records import association

SECOND = EXPOSURE.replace("00001_nrcb1", "00002_nrcb1")
CUBE = "jw01345-o002_t002_miri"
NOISY = Caveat(cause="noise", message="it is noisy")
OPEN = canonical([NOISY])
ACCEPTED = canonical([replace(NOISY, accepted="by me")])
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"


@pytest.fixture
def rolled_up(small_mirror):
    """The small mirror with an association of two exposures, and a cube without one."""
    members = [
        {"expname": f"{EXPOSURE}_cal.fits", "exptype": "science"},
        {"expname": f"{SECOND}_cal.fits", "exptype": "background"},
    ]
    content = {
        "asn_type": "image3",
        "asn_id": "o001",
        "program": "01345",
        "products": [{"name": MOSAIC, "members": members}],
    }
    small_mirror.hold(ASN, lambda path: path.write_text(json.dumps(content)))
    for name in (f"{EXPOSURE}_cal.fits", "jw01345001001_gs-fg_2022127120150_cal.fits"):
        small_mirror.hold(name, lambda path: path.write_text("x"))
    small_mirror.rows = {
        path: replace(row, quality="sound" if "i2d" in path and row.key else row.quality)
        for path, row in small_mirror.rows.items()
    }
    cube = small_mirror.hold(f"{CUBE}_ch1-short_s3d.fits", lambda path: path.write_text("x"))
    path = cube.path.replace("o001", "o002")
    small_mirror.rows[path] = replace(small_mirror.rows.pop(cube.path), path=path)
    small_mirror.publish("more")
    return small_mirror


def test_every_suffix_of_real_names_has_a_meaning():
    """Of all instruments and modes; wfscmb has a number."""
    path = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "names" / "real_names.txt"
    need("" if path.is_file() else "JWMIRROR_REAL_DATA names no folder with real names")
    names = path.read_text().split()

    suffixes = {parts.suffix for name in names if (parts := parse_product(name))}

    assert len(suffixes) > 25
    assert {suffix for suffix in suffixes if not kind_of(suffix)[1]} == set()


def test_each_kind_is_listed_with_its_level_and_meaning(rolled_up):
    """In the order of the stages, with the numbers from MAST and of each recipe."""
    known = answer("products", "--mirror", rolled_up.root)["kinds"]
    kinds = [kind for kind in known if kind["held"]]
    page = run("products", "--mirror", rolled_up.root)

    assert [kind["suffix"] for kind in kinds] == ["uncal", "rate", "cal", "i2d", "s3d", "asn"]
    mosaics = next(kind for kind in kinds if kind["suffix"] == "i2d")
    assert [(each["origin"], each["files"]) for each in mosaics["held"]] == [
        ("upstream", 1),
        ("deep", 1),
    ]
    assert mosaics["level"] == "2b, 3" and "mosaic" in mosaics["meaning"]
    assert "raw pixels of each group" in page and "wavefront" not in page
    assert "wavefront" in run("products", "--all", "--mirror", rolled_up.root)


def test_files_roll_up_under_target_and_association(rolled_up):
    """Exposures with their roles; also a member that the mirror lacks, and a product alone."""
    (one,) = mirror_contents(rolled_up.root, "1345/1").observations
    (two,) = mirror_contents(rolled_up.root, "jw01345/o002").observations
    page = run("products", f"{EXPOSURE}_rate.fits", "--mirror", rolled_up.root)

    (mosaic,) = one.products
    assert (mosaic.product, mosaic.target, mosaic.association) == (MOSAIC, "t001", ASN)
    assert mosaic.files == {"upstream": ("i2d",), "deep": ("i2d",)}
    assert mosaic.qualities == {"deep": "sound"}
    assert "MAST: i2d; deep (sound): i2d" in page
    assert [(each.root, each.role) for each in mosaic.members] == [
        (EXPOSURE, "science"),
        (SECOND, "background"),
    ]
    assert mosaic.members[0].files == {"upstream": ("cal", "uncal"), "deep": ("rate",)}
    assert "jw01345001001_gs-fg_2022127120150" in [each.root for each in one.others]
    assert [(each.target, each.association) for each in two.products] == [("t002", "")]
    assert f"{SECOND}  not in the mirror  background" in page
    assert page.index("target t001") < page.index(f"    {MOSAIC}") < page.index(EXPOSURE)


def test_a_part_that_is_not_there_is_an_error(rolled_up):
    """With the forms that are understood."""
    for part in ("1346", "1345/o009", "x.fits", "..", "1345/"):
        code = 0 if part == "1345/" else 1
        assert (
            "expected 1345" in run("products", part, "--mirror", rolled_up.root, code=code)
        ) == bool(code)


def test_files_that_may_not_be_read_are_only_counted(rolled_up, monkeypatch):
    """Of another user's mirror, not even their number by kind is said."""
    monkeypatch.setattr("os.geteuid", lambda: rolled_up.root.stat().st_uid + 1)
    uncal = rolled_up.rows[f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"]
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != uncal.sha256)

    contents = mirror_contents(rolled_up.root)

    assert contents.left_out == 1
    assert "uncal" not in [kind.suffix for kind in contents.kinds if kind.held]


def test_every_suffix_of_the_documentation_of_jwst_has_a_meaning():
    """Those that its pipelines save, and what MAST adds."""
    others = {"recommended", "psf-ami", "psf-amiavg", "psf-aminorm"}  # a group; earlier versions

    assert set(SUFFIXES_OF_MAST) - set(KINDS) == others
    assert {level for levels, _ in KINDS.values() for level in levels.split(", ")} == {*LEVELS, ""}


def test_files_of_an_exposure_in_two_folders_are_listed_together():
    """Coronagraphy: what stage 3 makes of an exposure is beside the product of the candidate."""
    product = "jw01345-c1001_t001_nircam_f335m-maskrnd"
    paths = [
        f"upstream/jw01345/o001/{EXPOSURE}_calints.fits",
        f"upstream/jw01345/c1001/{EXPOSURE}_c1001_psfsub.fits",
        f"upstream/jw01345/c1001/{product}_psfstack.fits",
    ]
    coron = association("coron3", product, f"{EXPOSURE}_calints.fits", candidate="c1001")

    found = observation_files(paths, ["upstream"] * 3, [coron])

    (combined,) = next(each for each in found if each.observation == "c1001").products
    assert [member.files for member in combined.members] == [{"upstream": ("calints", "psfsub")}]


@pytest.mark.parametrize(
    ("change", "is_recommended"),
    [
        ({"quality": "sound"}, True),
        ({"quality": "caveat", "caveats": ACCEPTED}, True),
        ({"quality": "caveat", "caveats": OPEN}, False),
        ({"quality": ""}, False),
        ({"quality": "sound", "deselected": "2026-03-01T00:00:00"}, False),
        ({"quality": "sound", "state": GONE}, False),
    ],
)
def test_site_and_products_recommend_the_same_mosaic(rolled_up, change, is_recommended):
    """One that is sound, or whose caveats are accepted, and up to date."""
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    rolled_up.rows[path] = replace(rolled_up.rows[path], **change)
    rolled_up.publish("changed")

    (mosaic,) = mirror_contents(rolled_up.root, "1345/o001").observations[0].products
    page = run("products", "1345/o001", "--mirror", rolled_up.root)
    write_site(mirror=rolled_up.root, budget_s=0)
    of_site = (rolled_up.root / "site" / "mosaics.html").read_text()

    assert mosaic.is_judged and mosaic.recommended == ((path,) if is_recommended else ())
    words = " ".join(page.split())
    for text in (words, of_site):
        assert ("Use the version of recipe deep" in text) is is_recommended
        assert ("No version is recommended" in text) is not is_recommended
    full = f"        {rolled_up.root}/current/{path}"
    assert (full in page.splitlines()) is is_recommended


def test_a_cube_that_the_last_run_left_out_of_date_is_not_recommended(rolled_up):
    """The parts of a cube are named after more than the product."""
    cube = f"recalibrated/deep/jw01345/o001/{CUBE}_ch1-short_s3d.fits"
    (mosaic,) = (row for row in rolled_up.rows.values() if row.key and "i2d" in row.path)
    row = replace(mosaic, path=cube, quality="sound", result=f"spec3/{CUBE}")

    assert mosaic_faults(entries_of([row]), (), {}) == {cube: ""}
    assert "out of date" in mosaic_faults(entries_of([row]), {("deep", CUBE)}, {})[cube]
    assert mosaic_faults(entries_of([row]), {("other", CUBE)}, {}) == {cube: ""}
