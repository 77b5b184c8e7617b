"""The grammar of names: programs, observations, associations, guide stars, and what is unsafe."""

import os
import re
from pathlib import Path

import pytest

from jwmirror.core.errors import ReferencesError
from jwmirror.core.names import (
    AssociationName,
    CombinedName,
    ProductName,
    cache_path,
    candidate_of,
    detector_of,
    exposure_count,
    guiding_type,
    instrument_of,
    is_exposure_root,
    is_safe,
    observation_of,
    parse_association,
    parse_combined,
    parse_product,
    program_of,
    root_and_suffix,
    stage_3_candidate,
    without_target,
)
from jwmirror_simulator.mast.storage import names as archive_names
from tests.conftest import need

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
PRODUCTS = [
    (f"{EXPOSURE}_uncal.fits", (1345, "o001", EXPOSURE, "uncal")),
    ("jw01345001001_02101_00001-seg002_nrcb1_uncal.fits",
     (1345, "o001", "jw01345001001_02101_00001-seg002_nrcb1", "uncal")),
    ("jw01345-o012_t001_nircam_f200w_i2d.fits",
     (1345, "o012", "jw01345-o012_t001_nircam_f200w", "i2d")),
    ("jw01345-c1001_t001_nircam_f200w_cat.ecsv",
     (1345, "c1001", "jw01345-c1001_t001_nircam_f200w", "cat")),
    (f"{EXPOSURE}_rate.jpg", (1345, "o001", EXPOSURE, "jpg")),
    (f"{EXPOSURE}_rate_thumb.jpg", (1345, "o001", EXPOSURE, "thumb")),
    (f"{EXPOSURE}_o001_crf.fits", (1345, "o001", EXPOSURE, "crf")),
    (f"{EXPOSURE}_c1006_crf_thumb.jpg", (1345, "o001", EXPOSURE, "thumb")),
    ("jw01345001001_02101_00001-seg002_nis_o001_crfints.jpg",
     (1345, "o001", "jw01345001001_02101_00001-seg002_nis", "jpg")),
    ("jw01345-o012_t001_miri_ch1-short_s3d_thumb.png",
     (1345, "o012", "jw01345-o012_t001_miri_ch1-short", "thumb")),
    ("jw01345001001_gs-id_1_image_cal.jpg",
     (1345, "o001", "jw01345001001_gs-id_1_image", "jpg")),
    (f"{EXPOSURE}_RATE.FITS", (1345, "o001", EXPOSURE, "RATE")),
    ("jw01345_20260101t000000_pool.csv", (1345, "pool", "jw01345_20260101t000000", "pool")),
    ("jw01345_20230831T181155_pool.csv", (1345, "pool", "jw01345_20230831T181155", "pool")),
    ("jw01345_notes.json", (1345, "", "jw01345", "notes")),
    ("jw01345_notes.asdf", (1345, "", "jw01345", "notes")),
    ("jw01345_notes.csv", (1345, "", "jw01345", "notes")),
    ("jw01345_notes.txt", (1345, "", "jw01345", "txt")),
    ("jw01345_thumb.fits", (1345, "", "jw01345", "thumb")),
    ("jw01345_20260101t000000_pool.fits", (1345, "", "jw01345_20260101t000000", "pool")),
    ("jw01345.fits", (1345, "", "jw01345", "jw01345")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parts"), PRODUCTS)
def test_a_product_name_has_its_parts(name, parts):
    """Program, observation, root and suffix; previews are named by their kind."""
    assert parse_product(name) == ProductName(*parts)
    assert (program_of(name), observation_of(name)) == parts[:2]


@pytest.mark.parametrize(
    ("name", "instrument", "detector"),
    [
        ("jw01345001001_02101_00001_nrcalong_uncal.fits", "NIRCAM", "NRCALONG"),
        ("jw01345001001_02101_00001-seg002_nrcb1_o001_crfints.fits", "NIRCAM", "NRCB1"),
        ("jw01345001001_02101_00001_mirifulong_rate_thumb.jpg", "MIRI", "MIRIFULONG"),
        ("jw01345001001_02101_00001_mirimage_uncal.fits", "MIRI", "MIRIMAGE"),
        ("jw01345001001_02101_00001_nrs1_cal.fits", "NIRSPEC", "NRS1"),
        ("jw01345001001_02101_00001_nis_cal.fits", "NIRISS", "NIS"),
        ("jw01345001001_02101_00001_guider1_uncal.fits", "FGS", "GUIDER1"),
        ("jw01345001001_02101_00001_xyz_uncal.fits", None, None),
        ("jw01345001001_gs-fg_2022150070312-seg002_uncal.fits", "FGS", None),
        ("jw01345001001_01_msa.fits", "NIRSPEC", None),
        ("jw01345-o001_t001_fgs_clear_cat.ecsv", "FGS", None),
        ("jw01345-c1000_t002_miri_ch1-long_s3d.fits", "MIRI", None),
        ("jw01345-o002_b000000021_nirspec_f290lp-g395h-s200a1-allslits_x1d.fits", "NIRSPEC", None),
        ("jw01345-o001_20260101t000000_image3_00001_asn.json", None, None),
        ("jw01345_20260101t000000_pool.csv", None, None),
        ("x", None, None),
    ],
)  # fmt: skip
def test_a_name_implies_instrument_and_detector(name, instrument, detector):
    """By the detector of an exposure, or the instrument's word of a combined product."""
    assert (instrument_of(name), detector_of(name)) == (instrument, detector)


@pytest.mark.parametrize("name", ["readme.fits", "jw1345_x.fits", "jw01345001001_02101_uncal", ""])
def test_other_names_are_no_products(name):
    """Without program or extension a name has no parts."""
    assert parse_product(name) is None


@pytest.mark.parametrize(
    ("name", "candidate"),
    [("jw01345-o012_t001_x", "o012"), ("jw01345-c1001_x", "c1001"), (f"{EXPOSURE}_rate.fits", "")],
)
def test_only_combined_products_have_a_candidate(name, candidate):
    """An exposure's name has an observation, but no candidate."""
    assert candidate_of(name) == candidate


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (EXPOSURE, True),
        ("jw01345001001_02101_00001-seg002_nrcb1", True),
        (f"{EXPOSURE}_rate", False),
        ("jw01345-o001_t001_nircam_f200w", False),
        ("jw01345001001_gs-fg_2025100000000", False),
    ],
)
def test_the_root_of_an_exposure_is_known(root, expected):
    """With segments of time series, and without suffix."""
    assert is_exposure_root(root) is expected


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        (f"{EXPOSURE}_o001_crf.fits", "o001"),
        (f"{EXPOSURE}_c1006_crf_thumb.jpg", "c1006"),
        ("jw01345001001_02101_00001-seg002_nis_o004_crfints.fits", "o004"),
        (f"{EXPOSURE}_a3001_psf-ami-oi.fits", "a3001"),
        (f"{EXPOSURE}_crf.fits", ""),
        (f"{EXPOSURE}_cal.fits", ""),
        ("jw01345-o001_t001_nircam_clear-f200w_i2d.fits", ""),
    ],
)
def test_files_that_stage_3_makes_of_an_exposure_name_their_candidate(name, candidate):
    """Between the detector and the suffix."""
    assert stage_3_candidate(name) == candidate


@pytest.mark.parametrize(
    ("root", "parts"),
    [
        ("jw01345-o002_t001_miri", ("o002", "miri", "t001", "", "")),
        ("jw01345-c1000_t002_miri_ch1-long", ("c1000", "miri", "t002", "", "ch1-long")),
        ("jw01345-o161_t002-s000000001_nirspec_f290lp-g395h-s1600a1",
         ("o161", "nirspec", "t002", "s000000001", "f290lp-g395h-s1600a1")),
        ("jw01345-o001_v000000353_nirspec_f170lp_g235h",
         ("o001", "nirspec", "", "v000000353", "f170lp-g235h")),
        ("jw01345-o009_s00001-epoch1_miri_f1130w", ("o009", "miri", "epoch1", "s00001", "f1130w")),
        ("jw01345-o009_t001-epoch1_miri_f1130w", ("o009", "miri", "t001-epoch1", "", "f1130w")),
        ("jw01345-o066_{source_id}_nirspec_f290lp-g395m",
         ("o066", "nirspec", "", "{}", "f290lp-g395m")),
        ("jw01345-o001_t002-{source_id}_nirspec_f290lp-g395h-{slit_name}-sub200a1",
         ("o001", "nirspec", "t002", "{}", "f290lp-g395h-{}-sub200a1")),
        ("jw01345-o173_t035_nircam_f212n-wlm8-nrca3_{suffix}-04",
         ("o173", "nircam", "t035", "", "f212n-wlm8-nrca3")),
        (EXPOSURE, None),
        ("jw01345-o001_t001", None),
    ],
)  # fmt: skip
def test_the_root_of_a_combined_product_has_its_parts(root, parts):
    """In either form of the target, and as an association names its product."""
    assert parse_combined(root) == (parts and CombinedName(*parts))


def test_an_association_name_has_a_series_and_a_counter():
    """The stamp is no part of it: each new issue has another."""
    names = [f"jw01345-o001_2026010{day}t000000_image3_00002_asn.json" for day in (1, 2)]

    first, second = map(parse_association, names)

    assert first == second == AssociationName((1345, "o001", "image3"), 2)


def test_a_pool_name_has_a_series():
    """The pool of a program is one series."""
    pool = parse_association("jw01345_20260101t000000_pool.csv")

    assert pool == AssociationName((1345, "pool", "pool"), 0)


@pytest.mark.parametrize(
    "name",
    ["jw01345-o001_image3_00002_asn.json", "my_asn.json", "my_pool.csv", f"{EXPOSURE}_cal.fits"],
)
def test_other_names_are_no_associations(name):
    """A user's association without stamp has no series."""
    assert parse_association(name) is None


@pytest.mark.parametrize(
    ("parts", "exp_type"),
    [
        ("gs-id_1", "FGS_ID-IMAGE"),
        ("gs-id_1_stacked", "FGS_ID-STACK"),
        ("gs-acq1_2025", "FGS_ACQ1"),
        ("gs-acq2_2025", "FGS_ACQ2"),
        ("gs-acq2_2025_stacked", "FGS_ACQ2"),
        ("gs-track_2025", "FGS_TRACK"),
        ("gs-fg_2025", "FGS_FINEGUIDE"),
        ("gs-other_2025", None),
        ("02101_gs-fg", None),
        ("02101_00001_nrcb1", None),
    ],
)
def test_guide_star_files_have_the_type_of_their_mode(parts, exp_type):
    """Also those without a row in a keyword table, so that `exposure_types` selects them."""
    assert guiding_type(f"jw01345001001_{parts}_cal.fits") == exp_type


def test_a_name_without_parts_is_no_guide_star():
    """A name that only contains the mark is none."""
    assert guiding_type("_gs-") is None
    assert guiding_type("jw01345001001_gs-fg") == "FGS_FINEGUIDE"
    assert guiding_type("x.fits") is None


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("jw01345-o001_t002_nircam_f200w", "jw01345-o001__nircam_f200w"),
        ("jw01345-o001_s000000007_nirspec_f170lp", "jw01345-o001_s000000007_nirspec_f170lp"),
        ("jw01345-o001_t002-s000000007_nirspec", "jw01345-o001_s000000007_nirspec"),
        ("jw01345-o001_nircam_f200w", "jw01345-o001_nircam_f200w"),
    ],
)
def test_a_root_without_its_target_keeps_everything_else(root, expected):
    """Source, instrument and filter keep two products apart."""
    assert without_target(root) == expected


@pytest.mark.parametrize(
    "name",
    ["a", "A", "é", "a_cal.fits", "A B.fits", "ü.fits", "a" * 255, "a..", "..a", "", ".a", "-a",
     "~a", "a/b", "a\\b", "a..b", "a\nb", "a" * 256, "ü" * 128, "A" * 256, "A" * 255],
)  # fmt: skip
def test_unsafe_names_are_known(name):
    """One printable component of at most 255 bytes, that no shell or folder takes for another."""
    safe = {"a", "A", "é", "a_cal.fits", "A B.fits", "ü.fits", "a" * 255, "A" * 255}

    assert is_safe(name) is (name in safe)


@pytest.mark.parametrize(
    ("filename", "instrument", "expected"),
    [
        ("jwst_1.pmap", "", "mappings/jwst/jwst_1.pmap"),
        ("jwst_nircam_1.imap", "", "mappings/jwst/jwst_nircam_1.imap"),
        ("jwst_nircam_dark_1.rmap", "miri", "mappings/jwst/jwst_nircam_dark_1.rmap"),
        ("jwst_nircam_dark_1.fits", "", "references/jwst/nircam/jwst_nircam_dark_1.fits"),
        ("jwst_nircam_dark_1.fits", "miri", "references/jwst/miri/jwst_nircam_dark_1.fits"),
    ],
)
def test_a_cache_has_a_place_for_each_file(filename, instrument, expected):
    """Mappings are together, references in the folder of their instrument."""
    assert cache_path(Path("cache"), filename, instrument) == Path("cache") / expected


def test_a_name_that_leaves_the_cache_is_refused():
    """CRDS's answer is not believed where it names a file elsewhere."""
    with pytest.raises(ReferencesError, match="expected a plain file name"):
        cache_path(Path("cache"), "../../etc/passwd")


def test_real_names_are_understood():
    """Each name that was seen in the archive has an observation or candidate, or is a pool."""
    path = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "names" / "real_names.txt"
    need("" if path.is_file() else "JWMIRROR_REAL_DATA names no folder with real names")
    filenames = path.read_text().split()

    folders = {name: parts.observation for name in filenames if (parts := parse_product(name))}

    assert len(folders) == len(filenames) > 500
    odd = {name: f for name, f in folders.items() if not re.fullmatch(r"[oca]\d{3,4}|pool", f)}
    assert not odd


@pytest.mark.parametrize("activity", ["0310a", "031zz", "02101"])
def test_the_number_of_an_activity_is_in_base_36(activity):
    """MAST lists jw01386002001_0310a_00001_nrcalong; the last two characters are the activity."""
    root = f"jw01386002001_{activity}_00001_nrcalong"
    filename = f"{root}_c1020_psfalign.fits"

    assert is_exposure_root(root) and root_and_suffix(filename) == (root, "psfalign")
    assert (detector_of(filename), stage_3_candidate(filename)) == ("NRCALONG", "c1020")
    assert archive_names.EXPOSURE.fullmatch(f"{root}_uncal.fits")["group"] == root


def test_detectors_and_segments_of_an_exposure_count_once():
    """Other files are no exposures."""
    names = [
        *("jw01345001001_02101_00001_nrcb1_cal.fits", "jw01345001001_02101_00001_nrcb2_cal.fits"),
        *("jw01345001001_02101_00002-seg001_nis_rate", "jw01345001001_02101_00002-seg002_nis"),
        *("jw01345-o001_t001_nircam_clear-f200w_i2d.fits", "jw01345_20260101t000000_pool.csv"),
    ]

    assert exposure_count(names) == 2
