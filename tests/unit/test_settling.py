"""Settling: which associations MAST has half updated, since when, and what waits with them."""

from dataclasses import replace

import pytest
from msgspec import structs

from jwmirror.core.model import Doubt, Poll, SettleResult
from jwmirror.core.model.association import Associations
from jwmirror.planning.settling import SettlePolicy, find_unsettled
from tests.setup.records import association, listing, product

NOW = "2026-04-05T00:00:00+00:00"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"
ROOTS = ("jw01345001001_02101_00001_nrcb1", "jw01345001001_02101_00002_nrcb1")
CAL_1, CAL_2 = (f"{root}_cal.fits" for root in ROOTS)
UNCAL_1 = f"{ROOTS[0]}_uncal.fits"


MEMBERS = association("image3", MOSAIC, CAL_1, CAL_2, name=ASN)
MADE = {"cal_ver": "1.20.2", "crds_ctx": "jwst_1464.pmap"}
HELD = Associations(found=(MEMBERS,))
PRODUCTS = {
    name: product(name, level=level, date="2026-01-01T06:00:00.000", **(MADE if level > 1 else {}))
    for level, names in {
        1: [f"{root}_uncal.fits" for root in ROOTS],
        2: [f"{root}_{suffix}.fits" for root in ROOTS for suffix in ("rate", "cal")],
        3: [f"{MOSAIC}_i2d.fits", ASN],
    }.items()
    for name in names
}


def polled(at: str = NOW, **changed: dict[str, object]) -> Poll:
    """A poll in which some products (by variable name) are listed differently."""
    products = dict(PRODUCTS)
    for name, facts in changed.items():
        products[globals()[name]] = structs.replace(products[globals()[name]], **facts)
    return Poll(listings=(listing(*products.values(), asked_at=at),), changes=())


def unsettled(poll: Poll, **patience: object):
    """What of the held association is unsettled: a record or None."""
    found = find_unsettled(HELD, poll, SettlePolicy(**patience)).unsettled
    return found[0] if found else None


def test_an_association_that_is_whole_does_not_wait():
    """Members of one version, made on one day: settled."""
    assert find_unsettled(HELD, polled(), SettlePolicy()) == SettleResult()


HALF = {
    "CAL_VER": {"CAL_1": {"cal_ver": "1.21.0"}},
    "CRDS_CTX": {"CAL_1": {"crds_ctx": "jwst_1470.pmap"}},
    "DATE": {"CAL_1": {"date": "2026-04-04T00:00:00.000"}},
    "queued": {"UNCAL_1": {"stale": True}},
}


@pytest.mark.parametrize("what", HALF)
def test_half_an_association_of_another_version_waits(what):
    """What differs among the members of one level is told, with when it was first seen."""
    found = unsettled(polled(**HALF[what]))

    assert what in found.why
    assert (found.product, found.since) == (MOSAIC, NOW)


def test_an_update_that_is_complete_does_not_wait():
    """All members at the new version are settled again, though raw data kept their date."""
    new = {"cal_ver": "1.21.0", "crds_ctx": "jwst_1470.pmap", "date": "2026-04-04T00:00:00.000"}
    rates = {name: new for name in ("CAL_1", "CAL_2")}
    poll = polled(**rates)
    (listing,) = poll.listings
    products = tuple(
        structs.replace(each, **new) if each.suffix == "rate" else each for each in listing.products
    )

    assert unsettled(replace(poll, listings=(replace(listing, products=products),))) is None


def test_a_raw_exposure_issued_again_does_not_wait():
    """The DATE of raw data tells nothing of calibration: one re-issued exposure may go on."""
    assert unsettled(polled(UNCAL_1={"date": "2026-04-04T00:00:00.000"})) is None


def test_dates_far_apart_settle_when_nothing_came_for_as_long():
    """One exposure calibrated again alone is waited for `days`, then it is how things are."""
    late = {"CAL_1": {"date": "2026-04-04T00:00:00.000"}}

    assert unsettled(polled("2026-04-06T00:00:00+00:00", **late))
    assert unsettled(polled("2026-04-08T00:00:00+00:00", **late)) is None
    assert unsettled(polled(**late), days=0) is None
    assert unsettled(polled("2026-04-03T00:00:00+00:00", **late), days=0) is None


@pytest.mark.parametrize("accepted", ["1345", MOSAIC, "jw01345-o001_*"])
def test_what_the_user_accepts_does_not_wait(accepted):
    """A program, a product or a pattern overrides."""
    assert unsettled(polled(**HALF["CAL_VER"]), accept=(accepted,)) is None
    assert unsettled(polled(**HALF["CAL_VER"]), accept=("1366", "jw01345-o002_*"))


def test_the_first_sight_is_remembered():
    """Found again, an association has waited since the first poll that found it."""
    first = find_unsettled(HELD, polled(**HALF["CAL_VER"]), SettlePolicy())

    again = find_unsettled(
        HELD, polled("2026-04-09T00:00:00+00:00", **HALF["CAL_VER"]), SettlePolicy(), first
    )

    assert again.unsettled[0].since == NOW


def test_a_program_that_was_not_asked_or_not_believed_stays_as_it_was():
    """Without a listing to judge by, what waited goes on waiting."""
    first = find_unsettled(HELD, polled(**HALF["CAL_VER"]), SettlePolicy())

    assert find_unsettled(HELD, Poll(listings=(), changes=()), SettlePolicy(), first) == first
    doubted = replace(polled(), doubts=(Doubt(program=1345, why="?"),))
    assert find_unsettled(HELD, doubted, SettlePolicy(), first) == first


def test_an_association_with_doubted_files_stays_as_it_was():
    """One member's row could not be read: what waited goes on waiting, and none is missed."""
    first = find_unsettled(HELD, polled(**HALF["CAL_VER"]), SettlePolicy())
    (listing,) = polled().listings
    less = tuple(product for product in listing.products if product.filename != CAL_1)
    lacking = Poll(listings=(replace(listing, products=less),), changes=())
    unread, other = (
        replace(lacking, doubts=(Doubt(program=1345, filename=name, why="?"),))
        for name in (CAL_2, "jw01345002001_02101_00001_nrcb1_cal.fits")
    )

    assert find_unsettled(HELD, unread, SettlePolicy(), first) == first
    assert find_unsettled(HELD, other, SettlePolicy(), first) == SettleResult()
    assert find_unsettled(HELD, lacking, SettlePolicy()).incomplete


def test_what_waits_is_all_of_the_observation_s_association():
    """Exposures, products and the association itself wait with it."""
    found = unsettled(polled(**HALF["CAL_VER"]))

    assert found.exposures == ROOTS
    assert found.uris == tuple(sorted(each.uri for each in PRODUCTS.values()))


def test_exposures_do_not_wait_for_candidates_of_many_observations():
    """A c1001 waits alone: its exposures belong to their own observations."""
    wide = Associations(found=(replace(MEMBERS, candidate="c1001"),))

    (found,) = find_unsettled(wide, polled(**HALF["CAL_VER"]), SettlePolicy()).unsettled

    assert found.exposures == ()
    assert not any("_cal" in uri for uri in found.uris)


def test_members_that_mast_does_not_list_are_named():
    """An association may name what does not exist; that is told, and nothing else follows."""
    poll = polled()
    (listing,) = poll.listings
    left = tuple(each for each in listing.products if each.filename != CAL_2)

    found = find_unsettled(
        HELD, replace(poll, listings=(replace(listing, products=left),)), SettlePolicy()
    )

    assert found.unsettled == ()
    assert [(each.association, each.absent) for each in found.incomplete] == [(ASN, (CAL_2,))]


# ---- each sign by itself ---------------------------------------------------------------------

SECOND = {"CAL_2": {"cal_ver": "1.19.1", "crds_ctx": "jwst_1400.pmap"}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"CAL_1": {"stale": True}}, f"{CAL_1} is queued for reprocessing"),
        ({"CAL_2": {"stale": True}, "CAL_1": {"stale": True}},
         f"{CAL_1} and 1 more are queued for reprocessing"),
        (SECOND, "CAL_VER 1.19.1 and 1.20.2 at level 2; CRDS_CTX jwst_1400.pmap and "
         "jwst_1464.pmap at level 2"),
        ({"CAL_1": {"cal_ver": None}}, ""),
        ({"CAL_1": {"level": None, "cal_ver": "1.0"}}, ""),
        ({"CAL_1": {"level": 3, "cal_ver": "1.0"}}, "CAL_VER 1.0 and 1.20.2 at level 3"),
        ({"CAL_1": {"level": 3, "cal_ver": "1.0"}, "CAL_2": {"cal_ver": "9"}},
         "CAL_VER 1.20.2 and 9 at level 2; CAL_VER 1.0 and 1.20.2 at level 3"),
        ({"CAL_1": {"date": "2026-04-04T00:00:00"}}, "DATE from 2026-01-01 to 2026-04-04 at level "
         "2"),
        ({"CAL_1": {"date": "2026-04-04T05:00:00+05:00"}},
         "DATE from 2026-01-01 to 2026-04-04 at level 2"),
        ({"CAL_1": {"level": None, "cal_ver": "1.0"}, "CAL_2": {"level": None}}, ""),
        ({"CAL_1": {"date": None}}, ""),
        ({"CAL_1": {"date": "2025-12-01T00:00:00"}, "CAL_2": {"date": "2026-04-04T00:00:00"}},
         "DATE from 2025-12-01 to 2026-04-04 at level 2"),
        ({"ASN": {"stale": True, "cal_ver": "1.0"}}, ""),
        ({"CAL_1": {"stale": True, "date": "2026-04-04T00:00:00", "crds_ctx": "jwst_1"}},
         f"{CAL_1} is queued for reprocessing; CRDS_CTX jwst_1 and jwst_1464.pmap at level 2; "
         "DATE from 2026-01-01 to 2026-04-04 at level 2"),
    ],
)  # fmt: skip
def test_each_sign_is_told_word_by_word(changes, why):
    """By level; only FITS files, of known level and version, say something."""
    found = unsettled(polled(**changes))

    assert (found.why if found else "") == why


@pytest.mark.parametrize(
    ("first", "last", "waits"),
    [
        ("2026-04-01T00:00:00", "2026-04-04T00:00:00", False),
        ("2026-04-01T00:00:00", "2026-04-04T00:00:01", True),
        ("2026-03-01T00:00:00", "2026-04-02T00:00:00", False),
        ("2026-03-01T00:00:00", "2026-04-02T00:00:01", True),
    ],
)
def test_dates_count_from_just_beyond_the_limit(first, last, waits):
    """Three days between them, and the last one not three days ago."""
    products = tuple(
        structs.replace(each, date=last if name == CAL_2 else first)
        for name, each in PRODUCTS.items()
    )

    found = unsettled(Poll(listings=(listing(*products, asked_at=NOW),), changes=()))

    assert bool(found) is waits


@pytest.mark.parametrize("level", [1, 2, 3])
def test_two_files_of_a_calibrated_level_are_enough(level):
    """The date of raw data says nothing of calibration."""
    dates = {CAL_1: "2026-01-01", CAL_2: "2026-04-04", ASN: None}
    products = [product(name, level=level, date=date) for name, date in dates.items()]

    found = unsettled(Poll(listings=(listing(*products, asked_at=NOW),), changes=()))

    assert bool(found) is (level > 1)


def test_the_record_has_all_that_a_plan_needs():
    """Field by field."""
    found = unsettled(polled(**HALF["CAL_VER"]))

    assert (found.association, found.product, found.program) == (ASN, MOSAIC, 1345)
    assert (found.since, found.exposures) == (NOW, ROOTS)
    assert find_unsettled(HELD, polled(**HALF["CAL_VER"]), SettlePolicy()).incomplete == ()


def test_only_the_association_and_its_mosaic_wait_for_several_observations():
    """The exposures do not."""
    wide = Associations(found=(replace(MEMBERS, candidate="c1001"),))

    (found,) = find_unsettled(wide, polled(**HALF["CAL_VER"]), SettlePolicy()).unsettled

    assert found.uris == (f"mast:JWST/product/{ASN}", f"mast:JWST/product/{MOSAIC}_i2d.fits")


@pytest.mark.parametrize(
    ("accept", "waits"),
    [(("134",), True), (("1345", "x"), False), (("x", "*nircam*"), False), (("*NIRCAM*",), True)],
)
def test_any_of_the_accepted_patterns_is_enough(accept, waits):
    """Whole numbers of programs; case counts in patterns."""
    assert bool(unsettled(polled(**HALF["CAL_VER"]), accept=accept)) is waits


def test_an_association_that_mast_does_not_list_is_not_judged():
    """Nor one of a program that was not polled, if it was not waiting; the others are."""
    gone = replace(MEMBERS, name="gone_asn.json", product="gone")
    foreign = replace(MEMBERS, program=9, product="foreign")
    known = Associations(found=(gone, foreign, MEMBERS))

    found = find_unsettled(known, polled(**HALF["CAL_VER"]), SettlePolicy())

    assert [record.product for record in found.unsettled] == [MOSAIC]


def test_members_of_other_programs_may_be_unlisted():
    """Only those of the association's own are looked for in its listing."""
    names = [CAL_1, "jw09999001001_02101_00001_nrcb1_cal.fits", "jw01345009001_1_1_a_cal.fits"]
    wide = association("image3", MOSAIC, *names, name=ASN)

    (found,) = find_unsettled(Associations(found=(wide,)), polled(), SettlePolicy()).incomplete

    assert (found.association, found.absent) == (ASN, (names[2],))


# ---- every mode ------------------------------------------------------------------------------

EXPOSURE = "jw01345002001_02101_00001"
MODES = {  # type, candidate, product, member; files that stage 3 makes; other files
    "imaging": (
        "image3", "o002", "jw01345-o002_t001_nircam_clear-f444w", f"{EXPOSURE}_nrcalong_cal.fits",
        ["jw01345-o002_t001_nircam_clear-f444w_i2d.fits",
         "jw01345-o002_t001_nircam_clear-f444w_i2d_thumb.jpg",
         f"{EXPOSURE}_nrcalong_o002_crf.fits", f"{EXPOSURE}_nrcalong_o002_crf.jpg"],
        ["jw01345-o002_t001_nircam_clear-f444w-sub160_i2d.fits",
         "jw01345-o002_t002_nircam_clear-f444w_i2d.fits",
         "jw01345-o003_t001_nircam_clear-f444w_i2d.fits",
         f"{EXPOSURE}_nrcblong_o002_crf.fits", f"{EXPOSURE}_nrcalong_c1001_crf.fits"]),
    "a candidate of several observations": (
        "image3", "c1001", "jw01345-c1001_t001_miri_f770w", f"{EXPOSURE}_mirimage_cal.fits",
        ["jw01345-c1001_t001_miri_f770w_i2d.fits", f"{EXPOSURE}_mirimage_c1001_crf.fits"],
        ["jw01345-o002_t001_miri_f770w_i2d.fits", f"{EXPOSURE}_mirimage_o002_crf.fits"]),
    "MRS": (
        "spec3", "o002", "jw01345-o002_t001_miri", f"{EXPOSURE}_mirifulong_cal.fits",
        ["jw01345-o002_t001_miri_ch1-short_s3d.fits", "jw01345-o002_t001_miri_ch4-long_x1d.fits",
         "jw01345-o002_t001_miri_ch1-2-shortmediumlong_s3d_thumb.jpg",
         f"{EXPOSURE}_mirifulong_o002_crf.fits"],
        ["jw01345-o002_t001_miri_f770w_i2d.fits", "jw01345-o002_t002_miri_ch1-short_s3d.fits",
         "jw01345-o002_t001_miri_p750l_x1d.fits"]),
    "NIRSpec IFU": (
        "spec3", "o002", "jw01345-o002_t001_nirspec", f"{EXPOSURE}_nrs1_cal.fits",
        ["jw01345-o002_t001_nirspec_g395h-f290lp_s3d.fits",
         "jw01345-o002_t001_nirspec_prism-clear_x1d.fits"],
        ["jw01345-o002_t001-s000000001_nirspec_f290lp-g395h-s200a1_s2d.fits",
         "jw01345-o002_s000000001_nirspec_f290lp-g395h_s2d.fits",
         "jw01345-o002_t001_nirspec_f290lp-g395h-s1600a1-sub2048_x1dints.fits"]),
    "MOS": (
        "spec3", "o002", "jw01345-o002_{source_id}_nirspec_f170lp-g235m",
        f"{EXPOSURE}_nrs2_cal.fits",
        [f"jw01345-o002_{source}_nirspec_f170lp-g235m_{suffix}.fits"
         for source in ("s000000061", "b000000002", "v000000353", "s00001")
         for suffix in ("cal", "crf", "s2d", "x1d")]
        + ["jw01345-o002_t002-s000000061_nirspec_f170lp-g235m_x1d_thumb.png",
           "jw01345-o002_s000000061_nirspec_f170lp_g235m_x1d.fits"],
        ["jw01345-o002_s000000061_nirspec_f290lp-g395m_x1d.fits",
         "jw01345-o002_t001_nirspec_f170lp-g235m_x1d.fits",
         "jw01345-o003_s000000061_nirspec_f170lp-g235m_x1d.fits"]),
    "fixed slits": (
        "spec3", "o002", "jw01345-o002_t002-{source_id}_nirspec_f290lp-g395h-{slit_name}",
        f"{EXPOSURE}_nrs1_cal.fits",
        ["jw01345-o002_t002-s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits",
         "jw01345-o002_t002-s000000001_nirspec_f290lp-g395h-s200a1-s200a2_x1d.fits",
         "jw01345-o002_s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits"],
        ["jw01345-o002_t003-s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits",
         "jw01345-o002_t002-s000000001_nirspec_f170lp-g235h-s1600a1_s2d.fits",
         "jw01345-o002_t002-s000000001_nirspec_f290lp-g395h_s2d.fits"]),
    "fixed slits, before sources were in the product": (
        "spec3", "o002", "jw01345-o002_t002_nirspec_f290lp-g395h-s200a1-allslits",
        f"{EXPOSURE}_nrs1_cal.fits",
        ["jw01345-o002_b000000021_nirspec_f290lp-g395h-s200a1-allslits_x1d.fits",
         "jw01345-o002_t002_nirspec_f290lp-g395h-s200a1-allslits_x1d.fits"],
        ["jw01345-o002_b000000021_nirspec_f290lp-g395h-s1600a1-allslits_x1d.fits"]),
    "slitless spectra, one file": (
        "spec3", "o002", "jw01345-o002_t001_niriss_f150w-gr150r", f"{EXPOSURE}_nis_cal.fits",
        ["jw01345-o002_t001_niriss_f150w-gr150r_x1d.fits",
         "jw01345-o002_s00000002_niriss_f150w_gr150r_cal.fits",
         "jw01345-o002_s000000002_niriss_f150w-gr150r_x1d.fits"],
        ["jw01345-o002_t001_niriss_clear-f150w_i2d.fits",
         "jw01345-o002_s00000002_niriss_f150w-gr150c_x1d.fits"]),
    "a time series in segments": (
        "tso3", "o002", "jw01345-o002_t001_nircam_f322w2-grismr-subgrism256",
        f"{EXPOSURE}-seg001_nrcalong_calints.fits",
        ["jw01345-o002_t001_nircam_f322w2-grismr-subgrism256_x1dints.fits",
         "jw01345-o002_t001_nircam_f322w2-grismr-subgrism256_whtlt.ecsv",
         f"{EXPOSURE}-seg001_nrcalong_o002_crfints.fits"],
        [f"{EXPOSURE}-seg002_nrcalong_o002_crfints.fits"]),
    "coronagraphy": (
        "coron3", "a3001", "jw01345-a3001_t001_nircam_f335m-maskrnd-sub320a335r",
        f"{EXPOSURE}_nrcalong_calints.fits",
        ["jw01345-a3001_t001_nircam_f335m-maskrnd-sub320a335r_psfstack.fits",
         "jw01345-a3001_t001_nircam_f335m-maskrnd-sub320a335r_i2d.fits",
         f"{EXPOSURE}_nrcalong_a3001_psfsub.fits", f"{EXPOSURE}_nrcalong_a3001_crfints.fits"],
        ["jw01345-a3001_t001_nircam_f335m-maskrnd-sub320a335r-image3_i2d.fits"]),
    "aperture masking": (
        "ami3", "a3001", "jw01345-a3001_t001_niriss_f480m-nrm-sub80",
        f"{EXPOSURE}_nis_calints.fits",
        ["jw01345-a3001_t001_niriss_f480m-nrm-sub80_aminorm-oi.fits",
         f"{EXPOSURE}_nis_a3001_ami-oi.fits", f"{EXPOSURE}_nis_a3001_psf-ami-oi.fits"],
        [f"{EXPOSURE}_nis_o002_ami-oi.fits"]),
    "wavefront sensing": (
        "wfs-image3", "o002", "jw01345-o002_t035_nircam_f212n-wlm8-nrca3_{suffix}-04",
        f"{EXPOSURE}_nrca3_cal.fits",
        ["jw01345-o002_t035_nircam_f212n-wlm8-nrca3_wfscmb-04.fits"],
        ["jw01345-o002_t035_nircam_f212n-wlm8-nrca4_wfscmb-04.fits"]),
    "stage 2": (
        "spec2", "o002", f"{EXPOSURE}_nrs1", f"{EXPOSURE}_nrs1_rate.fits",
        [f"{EXPOSURE}_nrs1_cal.fits", f"{EXPOSURE}_nrs1_s2d.fits", f"{EXPOSURE}_nrs1_x1d.png"],
        [f"{EXPOSURE}_nrs2_cal.fits", "jw01345-o002_s000000001_nirspec_f290lp-g395h_s2d.fits"]),
}  # fmt: skip


@pytest.mark.parametrize("sign", ["a member", "a product", "queued"])
@pytest.mark.parametrize("mode", MODES)
def test_all_files_of_an_association_wait_in_every_mode(mode, sign):
    """Whichever of its files shows that MAST has updated it in part, and no other files."""
    kind, candidate, name, member, made, others = MODES[mode]
    asn = f"jw01345-{candidate}_20260701t000000_{kind}_00001_asn.json"
    half = association(kind, name, member, name=asn, candidate=candidate)
    products = [product(each, level=2, cal_ver="1") for each in (member, *made, *others)]
    own = next(each for each in made if each.endswith(".fits"))
    changed = {"a member": {member: {"cal_ver": "2"}}, "a product": {own: {"cal_ver": "2"}}}
    changes = changed.get(sign, {own: {"stale": True}})
    products = [structs.replace(each, **changes.get(each.filename, {})) for each in products]
    poll = Poll(listings=(listing(*products, product(asn, level=3)),), changes=())

    (record,) = find_unsettled(Associations(found=(half,)), poll, SettlePolicy()).unsettled

    members = [member] if candidate.startswith("o") or member in made else []
    waiting = {uri.rpartition("/")[2] for uri in record.uris}
    assert waiting == {*made, *members, asn} | ({member} if kind == "spec2" else set())


@pytest.mark.parametrize("mode", MODES)
def test_files_of_other_associations_show_nothing(mode):
    """Another version of a product of the same target, source or exposure is no sign."""
    kind, candidate, name, member, made, others = MODES[mode]
    asn = f"jw01345-{candidate}_20260701t000000_{kind}_00001_asn.json"
    whole = association(kind, name, member, name=asn, candidate=candidate)
    own = [product(each, level=2, cal_ver="1") for each in (member, *made)]
    foreign = [product(each, level=2, cal_ver="2", stale=True) for each in others]
    poll = Poll(listings=(listing(*own, *foreign, product(asn, level=3)),), changes=())

    found = find_unsettled(Associations(found=(whole,)), poll, SettlePolicy())

    assert found.unsettled == ()
