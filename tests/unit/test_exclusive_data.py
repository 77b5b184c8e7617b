"""Exclusive data: how many files, from MAST and made from them, and until when."""

from collections import Counter
from dataclasses import replace

import pytest

from jwmirror.services.inspect.answers.exclusive import (
    ExclusiveData,
    closed_files,
    exclusive_files,
)
from jwmirror.services.site.observations import release_calendar
from jwmirror.services.site.state import MirrorState
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import answer, run
from tests.setup.mirrors import SmallMirror, image_writer, made_from, overwrite

SECRET = "jw02345001001_02101_00001_nrcb1"
MOSAIC = "jw02345-o001_t001_nircam_clear-f200w"


@pytest.fixture
def exclusive_mirror(small_mirror) -> SmallMirror:
    """Beside the public files, an exclusive exposure, its rates, and a mosaic of these."""
    mirror = small_mirror
    closed = {"program": 2345, "exclusive": True}
    uncal = f"{SECRET}_uncal.fits"
    mirror.hold(uncal, image_writer(7.0), release_date="2099-05-06T00:00:00", **closed)
    mirror.hold("x_asn.json", image_writer(7.1), **closed)
    made = made_from("detector1", SECRET, uncal, jump={"rejection_threshold": 6.2})
    mirror.make(made, f"{SECRET}_rate.fits", image_writer(7.5))
    combined = made_from("image3", MOSAIC, f"{SECRET}_rate.fits", resample={"pixfrac": 0.5})
    mirror.make(combined, f"{MOSAIC}_i2d.fits", image_writer(7.6))
    mirror.rows = {
        path.replace("deep/jw01345/o001/jw02345", "deep/jw02345/o001/jw02345"): replace(
            row, path=row.path.replace("deep/jw01345/o001/jw02345", "deep/jw02345/o001/jw02345")
        )
        for path, row in mirror.rows.items()
    }
    mirror.publish("more")
    return mirror


def test_status_says_until_when_files_and_their_results_are_exclusive(exclusive_mirror):
    """A result is as exclusive as what it was made from, over two stages; the rest is public."""
    page = " ".join(run("status", "--mirror", exclusive_mirror.root).split())
    found = answer("status", "--mirror", exclusive_mirror.root)["exclusive"]

    assert "1 file of MAST, 2 files made from exclusive data; exclusive until 2099-05-06" in page
    assert "1 file of MAST; exclusive; the release date is not known" in page
    assert [(each["of_mast"], each["recalibrated"], each["release"]) for each in found] == [
        (1, 2, "2099-05-06"),
        (1, 0, ""),
    ]


def test_a_mirror_of_public_data_has_no_such_section(small_mirror):
    """Nothing is exclusive there."""
    assert "Exclusive data" not in run("status", "--mirror", small_mirror.root)


def test_explain_says_that_a_recalibrated_file_is_exclusive(exclusive_mirror):
    """With the day; a result of public data has no such line."""
    at = ("--mirror", exclusive_mirror.root)
    public = next(row for row in exclusive_mirror.rows.values() if row.key)

    page = " ".join(run("explain", f"{MOSAIC}_i2d.fits", *at).split())

    assert "access exclusive until 2099-05-06 (made from exclusive data)" in page
    assert "made from exclusive data" not in run(
        "explain", public.filename, "--recipe", "deep", *at
    )


def test_a_raw_file_that_was_replaced_since_counts_by_its_name(exclusive_mirror):
    """Until the next run, a result is of a version that the generation does not show any more."""
    path = next(path for path in exclusive_mirror.rows if path.endswith(f"{SECRET}_uncal.fits"))
    sha256, size = exclusive_mirror.take(image_writer(9.0))
    row = exclusive_mirror.rows[path]
    exclusive_mirror.rows[path] = replace(row, sha256=sha256, identity=sha256, size=size)
    exclusive_mirror.publish("reprocessed")

    found = answer("status", "--mirror", exclusive_mirror.root)["exclusive"]

    assert [each["recalibrated"] for each in found] == [2, 0]


LATER, PASSED = "2099-05-06", "2024-05-06"
TERMS = {  # what MAST says of a raw file -> words of the file, and of the rate made from it
    "2099": (f"exclusive until {LATER}", f"exclusive until {LATER} (made from exclusive data)"),
    "passed": (
        f"withheld by MAST although its release date {PASSED} has passed",
        "exclusive (made from data that MAST withholds although the release date "
        f"{PASSED} has passed)",
    ),
    "token": (
        "exclusive (listed as public, given only with the token)",
        "exclusive (made from data listed as public, given only with the token)",
    ),
    "unknown": (
        "exclusive; the release date is not known",
        "exclusive (made from exclusive data whose release date is not known)",
    ),
    "replaced": (
        f"exclusive until {LATER}",
        f"exclusive until {LATER} (made from exclusive data)",
    ),
    "public": ("", ""),
}
FACTS = {
    "2099": {"exclusive": True, "release_date": f"{LATER}T00:00:00"},
    "passed": {"exclusive": True, "release_date": f"{PASSED}T00:00:00"},
    "token": {"needs_token": True, "release_date": f"{PASSED}T00:00:00"},
    "unknown": {"exclusive": True},
    "replaced": {"exclusive": True, "release_date": f"{LATER}T00:00:00"},
    "public": {},
}
EXPOSURE_OF = {term: f"jw02345001001_02101_0000{n}_nrcb1" for n, term in enumerate(TERMS, 1)}


@pytest.fixture
def mirror_of_terms(empty_mirror) -> SmallMirror:
    """A raw file of each kind, a rate of each, and a mosaic of the first rate."""
    mirror = empty_mirror
    for number, (term, exposure) in enumerate(EXPOSURE_OF.items()):
        raw = f"{exposure}_uncal.fits"
        mirror.hold(raw, image_writer(1 + number), program=2345, **FACTS[term])
        made = made_from("detector1", exposure, raw)
        mirror.make(made, f"{exposure}_rate.fits", image_writer(10 + number))
    combined = made_from("image3", MOSAIC, f"{EXPOSURE_OF['2099']}_rate.fits")
    mirror.make(combined, f"{MOSAIC}_i2d.fits", image_writer(20))
    raw = f"{EXPOSURE_OF['replaced']}_uncal.fits"  # since then, it has other bytes
    mirror.hold(raw, image_writer(30), program=2345, **FACTS["replaced"])
    mirror.publish()
    return mirror


def test_site_and_explain_say_the_same_of_access(mirror_of_terms):
    """Whatever MAST says of a raw file, also of results, and of results of results."""
    root = mirror_of_terms.root
    expected = {f"{MOSAIC}_i2d.fits": TERMS["2099"][1]}
    for term, exposure in EXPOSURE_OF.items():
        raw, rate = TERMS[term]
        expected |= {f"{exposure}_uncal.fits": raw, f"{exposure}_rate.fits": rate}

    entries = Generations(root).entries()
    data = ExclusiveData(root, entries, closed_files(root, entries, entries))

    assert {row.filename: row.access for row in MirrorState(root).rows} == expected
    assert {entry.filename: data.words(entry) for entry in entries} == expected


def test_site_and_status_count_the_same_exclusive_files(mirror_of_terms):
    """Of MAST and made from them, by day and observation; public ones are not counted."""
    root = mirror_of_terms.root

    calendar = release_calendar(MirrorState(root).rows)

    of_site, of_status = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for each in calendar:
        of_site += Counter({(each.program, each.day): each.files, ("made", each.day): each.made})
    for each in exclusive_files(root, Generations(root).entries()):
        of_status += Counter(
            {(each.program, each.release): each.of_mast, ("made", each.release): each.recalibrated}
        )
    assert of_site == of_status
    assert of_site["jw02345", LATER] == 2 and of_site["made", LATER] == 3
    assert of_site.total() == 11


def test_a_result_that_cannot_be_traced_is_exclusive_everywhere(small_mirror):
    """Though MAST lists nothing as exclusive: an input is of no file that the mirror knows."""
    mirror = small_mirror
    made = made_from("detector1", SECRET, f"{SECRET}_uncal.fits")
    unknown = replace(made.inputs[0], sha256="a" * 64, identity="b" * 64)
    mirror.make(replace(made, inputs=(unknown,)), f"{SECRET}_rate.fits", image_writer(7.5))
    mirror.publish()
    root, name = mirror.root, f"{SECRET}_rate.fits"

    page = " ".join(run("explain", name, "--mirror", root).split())
    found = answer("status", "--mirror", root)["exclusive"]

    assert [row.filename for row in MirrorState(root).rows if row.access] == [name]
    assert "access exclusive" in page
    assert sum(each["recalibrated"] for each in found) == 1


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("terms", "release"), [(("2099", "passed"), LATER), (("2099", "unknown"), "")]
)
def test_of_two_inputs_the_later_release_holds(mirror_of_terms, terms, release, is_reversed):
    """Whichever is named first; one whose date is not known is the later one."""
    mirror, named = mirror_of_terms, [f"{EXPOSURE_OF[term]}_rate.fits" for term in terms]
    both = named[::-1] if is_reversed else named
    made = made_from("image3", MOSAIC, both[0])
    second = replace(made.inputs[0], name=both[1])
    mirror.make(
        replace(made, inputs=(*made.inputs, second)), f"{MOSAIC}_i2d.fits", image_writer(21)
    )
    mirror.publish("of two")

    (row,) = (r for r in MirrorState(mirror.root).rows if r.filename == f"{MOSAIC}_i2d.fits")

    assert row.is_closed and row.release == release


def test_a_result_whose_inputs_are_not_on_record_is_of_unknown_release(mirror_of_terms):
    """Its record is damaged, which `verify` reports; it stays closed."""
    mirror = mirror_of_terms
    row = next(r for r in mirror.rows.values() if r.filename == f"{EXPOSURE_OF['2099']}_rate.fits")
    overwrite(Provenance(mirror.root).path(row.key), b"{")
    entries = Generations(mirror.root).entries()

    data = ExclusiveData(mirror.root, entries, closed_files(mirror.root, entries, entries))

    assert data.words(row) == TERMS["unknown"][1]
    page = " ".join(run("status", "--mirror", mirror.root).split())
    assert "made from exclusive data" in page
