"""Which names a public site shows what is said of, in all modes of the instruments."""

import os
from pathlib import Path

import pytest

from jwmirror.core.names import parse_product, root_and_suffix
from jwmirror.services.site.attention import PublicNames, place_named
from tests.conftest import need

# of MAST, in programs with an exclusive observation 1 and a public observation 2, without (1111)
# and with (2222) a combination of both; all of program 3333 is public
FILES = [
    *(
        "jw{p}001001_02101_00001_mirifulong_uncal.fits",
        "jw{p}002001_02101_00001_mirifulong_uncal.fits",
    ),
    *(
        "jw{p}001001_gs-acq1_2022117003102_uncal.fits",
        "jw{p}002001_gs-acq1_2022117003102_uncal.fits",
    ),
    *("jw{p}001001_01_msa.fits", "jw{p}002001_01_msa.fits"),
    *("jw{p}-o001_t001_miri_ch1-short_s3d.fits", "jw{p}-o002_t001_miri_ch1-short_s3d.fits"),
    *(
        "jw{p}-o001_s00012_nirspec_f290lp-g395h_x1d.fits",
        "jw{p}-o002_s00012_nirspec_f290lp-g395h_x1d.fits",
    ),
    "jw{p}-o002_t002-s000000001_nirspec_f290lp-g395h-s1600a1-allslits_s2d.fits",
    "jw{p}-o002_s000000007_nircam_f356w-grismr_x1d.fits",
    "jw{p}-o002_t001_nircam_f444w-maskrnd-sub320a430r_i2d.fits",
    "jw{p}-o002_t001_niriss_clear-gr700xd-substrip256_x1dints.fits",
    "jw{p}-o002_t001_niriss_f480m-nrm_ami-oi.fits",
    "jw{p}-o002_20260101t000000_spec3_00001_asn.json",
    "jw{p}_20260101t000000_pool.csv",
]
COMBINED = "jw22222-c1001_t001_nircam_f444w-maskrnd_i2d.fits"
CLOSED = {("jw11111", "o001"), ("jw22222", "o001")}


@pytest.fixture(scope="module")
def names() -> PublicNames:
    """The names in a mirror of these programs."""
    files = [file.format(p=program) for file in FILES for program in ("11111", "22222", "33333")]
    files.append(COMBINED)
    return PublicNames(
        places={place_named(file) for file in files},
        closed=CLOSED,
        roots_of_mast={root_and_suffix(file)[0] for file in files},
    )


OF_PUBLIC = [  # names of observation 2, made from its exposures alone
    *("deep: jw{p}002001_02101_00001_mirifulong", "deep/jw{p}002001_02101_00001_mirifulong"),
    "jw{p}002001_0310a_00001_nrcalong_calints.fits",  # a visit of coronagraphy
    *("jw{p}002001_02101_00002-seg003_nrs1_o002_crfints.fits", "jw{p}002001_gs-acq1_2022117003102"),
    *("jw{p}002001_01_msa.fits", "jw{p}002001_02101_00001_nis_x1d.fits"),
    "deep: jw{p}-o002_t001_miri_ch1-short",
    "deep: jw{p}-o002_t001_miri",  # the product that the association of the cubes names
    *(
        "deep: jw{p}-o002_s00012_nirspec_f290lp-g395h",
        "deep: jw{p}-o002_{{source_id}}_nirspec_f290lp-g395h",
    ),
    "deep: jw{p}-o002_t002-{{source_id}}_nirspec_f290lp-g395h-{{slit_name}}-allslits",
    *(
        "deep: jw{p}-o002_{{source_id}}_nircam_f356w-grismr",
        "deep: jw{p}-o002_t001_nircam_f444w-maskrnd-sub320a430r",
    ),
    *(
        "deep: jw{p}-o002_t001_niriss_clear-gr700xd-substrip256",
        "deep: jw{p}-o002_t001_niriss_f480m-nrm",
    ),
    "jw{p}-o002_20260101t000000_spec3_00001_asn.json",
]
OF_EXCLUSIVE = [  # of observation 1, or of several, or of what does not say it
    *(
        "deep: jw{p}001001_02101_00001_mirifulong",
        "jw{p}001001_04102_00001-seg001_mirifushort_rate.fits",
    ),
    *("jw{p}001001_gs-acq1_2022117003102_uncal.fits", "jw{p}001001_01_msa.fits"),
    *("jw{p}001001_0310a_00001_nrcalong_uncal.fits", "deep: jw{p}-o001_t001_miri_ch1-short"),
    *("deep: jw{p}-o001_t001_miri", "deep: jw{p}-o001_{{source_id}}_nirspec_f290lp-g395h"),
    *("deep: jw{p}-c1001_t001_miri_ch2-long", "deep: jw{p}-a3001_t001_niriss_f480m-nrm"),
    "jw{p}002001_0310a_00001_nrcalong_c1001_psfalign.fits",  # with PSF exposures of others
    "jw{p}002001_02101_00004_mirimage_c1006_crf.fits",
    *(
        "deep: jw{p}-o002_t009_miri",
        "deep: jw{p}-o002_t001_nirspec_f290lp-g140h",
        "deep: my_cluster",
    ),
    *("jw{p}003001_02101_00001_mirimage_rate.fits", "jw{p}_20260101t000000_pool.csv"),
]


@pytest.mark.parametrize("name", OF_PUBLIC)
def test_what_is_said_of_a_public_observation_is_shown(names, name):
    """Unless MAST combines it with others: then its exposures may be calibrated with these."""
    assert not names.hides(name.format(p="11111"))
    assert not names.hides(name.format(p="33333"))
    assert names.hides(name.format(p="22222"))


@pytest.mark.parametrize("name", OF_EXCLUSIVE)
def test_what_may_be_said_of_exclusive_data_is_hidden(names, name):
    """Whatever is made of it, and whatever the instrument."""
    assert names.hides(name.format(p="11111")) and names.hides(name.format(p="22222"))


def test_without_exclusive_data_all_is_shown(names):
    """There is nothing to hide."""
    nothing = PublicNames(places=names.places, closed=(), roots_of_mast=())

    assert not [name for name in OF_EXCLUSIVE if nothing.hides(name.format(p="11111"))]


def test_of_real_names_those_of_an_exclusive_observation_are_hidden():
    """All of them; nothing of other programs is."""
    path = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "names" / "real_names.txt"
    need("" if path.is_file() else "JWMIRROR_REAL_DATA names no folder with real names")
    files = path.read_text().split()
    places = {place_named(file) for file in files}
    roots = {root_and_suffix(file)[0] for file in files}

    for place in places:
        names = PublicNames(places=places, closed={place}, roots_of_mast=roots)
        hidden = {file for file in files if names.hides(file)}

        assert hidden >= {file for file in files if place_named(file) == place}
        assert {place_named(file)[0] for file in hidden} == {place[0]}
    assert all(parse_product(file) for file in files) and len(places) > 100
