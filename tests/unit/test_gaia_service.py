"""Slices of Gaia: the cone of a mosaic, the service's answer, and what is stored of it."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from jwmirror.astrometry.fields import ExposureField, decimal_year, mosaic_cone, read_field
from jwmirror.astrometry.service import CatalogueService, check_answer
from jwmirror.astrometry.slices import SliceStore, find_slices
from jwmirror.core.errors import CalibrationError, MissingSliceError
from jwmirror.core.jsonio import write
from jwmirror.core.model import Input, Plan, References, Wait
from jwmirror.core.model.plan import Published
from jwmirror.core.model.sky.slices import AlignedMosaic, CatalogueCone, GaiaSlices
from jwmirror.net.http import Timeouts
from jwmirror.services.run.conclude import conclude_run
from jwmirror.store.runs import RunFiles
from jwmirror_simulator.gaia.service import CatalogueServer, lines_within
from jwmirror_simulator.gaia.stars import stars_of_program
from jwmirror_simulator.mast import faults
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of
from tests.setup.command_line import run

PROGRAM = demo_program()
STARS = stars_of_program(PROGRAM)
CONE = CatalogueCone(catalogue="GAIADR3", ra=80.0, dec=-69.5, radius=0.08, epoch=2025.885)
QUICK = Timeouts(connect_s=1, read_s=1, attempts=1, backoff_s=0)


@pytest.fixture
def server():
    """The simulated service."""
    with CatalogueServer(lambda: STARS) as server:
        yield server


@pytest.fixture
def store(tmp_path) -> SliceStore:
    """The slices of an empty mirror."""
    (tmp_path / "mirror").mkdir()
    return SliceStore(tmp_path / "mirror", tmp_path / "bundle")


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> list[Path]:
    """Two exposures of each observation of the demo."""
    folder, exposures = tmp_path_factory.mktemp("raw"), exposures_of(PROGRAM)
    return [take_exposure(PROGRAM, exposures[i], folder) for i in (0, 1, 7, 8)]


def mosaic(store: SliceStore, *paths: Path) -> AlignedMosaic:
    """Return the mosaic of some raw exposures, which are moved into the store."""
    rows = []
    for path in paths:
        copy = store.objects.incoming / path.name
        copy.write_bytes(path.read_bytes())
        rows.append(Input(name=path.name, role="science", sha256=store.objects.add(copy)))
    return AlignedMosaic("GAIADR3", tuple(row.name for row in rows), tuple(rows))


# ---- the cone --------------------------------------------------------------------------------


@pytest.mark.parametrize("dec", [0.0, 30.0, -69.5, 89.9, -90.0])
@pytest.mark.parametrize("ra", [0.0, 80.0, 359.999])
def test_the_cone_contains_that_of_any_orientation(ra, dec):
    """The circle around a frame that is turned, at 0 hours and at the poles, too."""
    dice = np.random.default_rng(1)
    offsets = dice.uniform(-0.05, 0.05, (5, 2))
    centre = CatalogueCone(catalogue="", ra=ra, dec=dec, radius=0.0, epoch=0.0)
    corners = [_offset(ra, dec, x, y) for x, y in offsets]
    fields = [ExposureField(day="2025-11-20", corners=tuple(corners))]

    cone = mosaic_cone("GAIADR3", fields)

    assert all(cone.distance(*corner) < cone.radius for corner in corners)
    assert 0.02 < cone.radius < 0.2 and cone.distance(centre.ra, centre.dec) < 0.1
    for angle in np.radians(range(0, 90, 7)):
        turned = offsets @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        high, low = turned.max(axis=0), turned.min(axis=0)
        back = (high + low) / 2 @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        query = replace(cone, radius=np.hypot(*(high - low)) / 2)
        query = replace(query, **dict(zip(("ra", "dec"), _offset(ra, dec, *back), strict=True)))
        assert cone.covers(query)


def _offset(ra: float, dec: float, x: float, y: float) -> tuple[float, float]:
    """Return the position that is x degrees east and y degrees north of another."""
    a, d = math.radians(ra), math.radians(dec)
    along = np.array([math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)])
    east = np.array([-math.sin(a), math.cos(a), 0.0])
    vector = along + math.tan(math.radians(x)) * east
    vector = vector + math.tan(math.radians(y)) * np.cross(along, east)
    vector /= np.linalg.norm(vector)
    return math.degrees(math.atan2(vector[1], vector[0])) % 360, math.degrees(math.asin(vector[2]))


def test_the_epoch_is_that_of_the_first_member():
    """As jwst passes it: the decimal year of DATE-OBS."""
    corners = ((80.0, -69.5), (80.1, -69.5), (80.1, -69.6))
    days = ("2025-11-20", "2025-11-25")

    cone = mosaic_cone("GAIADR2", [ExposureField(day=day, corners=corners) for day in days])

    assert (cone.catalogue, cone.epoch) == ("GAIADR2", decimal_year("2025-11-20"))


def test_the_field_is_read_from_s_region_or_from_the_reference_point(raw, tmp_path):
    """S_REGION is exact; without it, a square that any detector is in."""
    square = read_field(raw[0], "x")
    with fits.open(raw[0]) as hdus:
        hdus["SCI"].header["S_REGION"] = "POLYGON ICRS  80.0 -69.5 80.1 -69.5 80.1 -6.96e1"
        hdus.writeto(tmp_path / "region.fits")

    exact = read_field(tmp_path / "region.fits", "x")

    assert exact == ExposureField(
        day="2025-11-20", corners=((80.0, -69.5), (80.1, -69.5), (80.1, -69.6))
    )
    assert square.day == exact.day and len(square.corners) == 4


def test_a_file_without_position_is_named(raw, tmp_path):
    """Then its mosaics wait, and others do not."""
    with fits.open(raw[0]) as hdus:
        del hdus["SCI"].header["RA_REF"]
        hdus.writeto(tmp_path / "lost.fits")

    with pytest.raises(CalibrationError, match=r"lost\.fits: its place on the sky.*RA_REF"):
        read_field(tmp_path / "lost.fits", "lost.fits")


# ---- the answer ------------------------------------------------------------------------------


def test_an_answer_is_kept_as_it_came(server, store):
    """With its columns, ends of lines and digits; the slice begins with its cone."""
    answer = CatalogueService(server.url).fetch(CONE)
    added = store.add(CONE, answer, server.url)

    text = store.objects.path(added.sha256).read_bytes().decode()
    assert text.partition("\n")[2] == answer
    assert (added.stars, added.size) == (answer.count("\r\n") - 2, len(text))
    assert store.find(CONE) == added
    assert store.find(replace(CONE, epoch=2024.0)) is None
    assert server.requests == [
        {
            **{"RA": "80.0", "DEC": "-69.5", "EPOCH": "2025.885", "SR": "0.08"},
            **{"FORMAT": "CSV", "CAT": "GAIADR3"},
        }
    ]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (faults.status(503), "status 503 came"),
        (faults.status(404), "status 404 came"),
        (faults.html_page(), "status 200 came with a web page"),
        (faults.json_page(), "columns"),
        (faults.empty_body(), "columns"),
        (faults.truncate_after(3000), "bytes came"),
        (faults.truncate_after(3000, length="none"), "cut|values|314 stars"),
        (faults.truncate_after(3000, length="chunked"), "."),
        (faults.reset_after(3000), "."),
        (faults.silence(3), "timed out"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_no_list_of_stars_is_not_stored(server, fault, why):
    """The service is down, in maintenance, or cuts its answer."""
    server.fault(fault)

    with pytest.raises(MissingSliceError, match=why) as caught:
        CatalogueService(server.url, QUICK).fetch(CONE)

    assert "nothing was stored; check references.gaia.url" in str(caught.value)


@pytest.fixture(scope="module")
def answer() -> str:
    """A right answer."""
    with CatalogueServer(lambda: STARS) as server:
        return CatalogueService(server.url).fetch(CONE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace(",pmra", ",pm_ra", 1), "columns pmra"),
        (lambda text: text[: text.rindex(",")], "values"),
        (lambda text: "\r\n".join(text.splitlines()[:-1]) + "\r\n", r"expected \d+ stars"),
        (lambda text: text.replace(",80.", ",81.", 9), "found one at"),
        (lambda text: text.replace("-69.5", "nan", 1), "."),
        (lambda text: "Error: unknown catalogue\r\n", "columns"),
    ],
)
def test_an_answer_with_other_content_is_not_stored(answer, change, why):
    """Columns lack, a row or a number is cut, or the stars are elsewhere."""
    check_answer(answer, CONE)

    with pytest.raises(ValueError, match=why):
        check_answer(change(answer), CONE)


@given(at=st.floats(0, 1))
def test_an_answer_of_unknown_length_that_is_cut_is_not_stored(at):
    """Wherever it is cut, also within the last number."""
    whole = "".join(lines_within(STARS, CONE.ra, CONE.dec, 0.002, CONE.epoch))

    with pytest.raises(ValueError):
        check_answer(whole[: int(at * (len(whole) - 1))], replace(CONE, radius=0.002), False)


def test_a_fast_star_that_has_left_the_cone_is_no_mistake(answer):
    """The service may have searched before it moved the stars."""
    row = answer.splitlines()[2].split(",")
    row[2], row[8] = "80.2400", "30000.0"  # 17 arcsec beyond, 30 arcsec a year

    check_answer(answer.replace(answer.splitlines()[2], ",".join(row)), CONE)


def test_no_stars_are_an_answer(server, store):
    """A field may have none."""
    cone = replace(CONE, ra=10.0)
    added = store.add(cone, CatalogueService(server.url).fetch(cone), server.url)

    assert added.stars == 0 and store.find(cone) == added


# ---- slices for mosaics ----------------------------------------------------------------------


def test_each_field_is_fetched_once(server, store, raw):
    """Two mosaics of one field share the slice; later runs ask nothing."""
    mosaics = [mosaic(store, *raw[:2]), mosaic(store, raw[0]), mosaic(store, *raw[2:])]

    first = find_slices(mosaics, store, CatalogueService(server.url))
    again = find_slices(mosaics, store, CatalogueService(server.url))

    assert len(first.found) == 3 and len({each.sha256 for each in first.found.values()}) >= 2
    assert len(server.requests) == len({each.cone for each in first.found.values()})
    assert again == first and not first.missing


def test_a_preview_takes_what_is_stored_and_asks_nothing(server, store, raw):
    """What was never fetched is left out."""
    known, new = mosaic(store, *raw[:2]), mosaic(store, *raw[2:])
    stored = find_slices([known], store, CatalogueService(server.url))

    assert find_slices([known, new], store) == stored
    assert len(server.requests) == 1


def test_a_service_that_is_down_stops_only_what_is_not_stored(server, store, raw):
    """It is asked once; a stored slice is used."""
    known, new = mosaic(store, *raw[:2]), mosaic(store, *raw[2:])
    stored = find_slices([known], store, CatalogueService(server.url))
    server.fault(faults.status(503))
    before = len(server.requests)

    both = find_slices([known, new, new], store, CatalogueService(server.url, QUICK))

    assert both.found == stored.found
    assert list(both.missing) == [new.field] and "status 503" in both.missing[new.field]
    assert len(server.requests) == before + 1


def test_a_changed_catalogue_is_noticed_when_slices_are_refreshed(server, store, raw):
    """Only the slice of the field that has changed is another object."""
    mosaics = [mosaic(store, *raw[:2]), mosaic(store, *raw[2:])]
    first = find_slices(mosaics, store, CatalogueService(server.url))
    server.shift(80.0, -69.5, 0.01, east=0.01, north=0.0)

    never = find_slices(mosaics, store, CatalogueService(server.url))
    young = find_slices(mosaics, store, CatalogueService(server.url), 30)
    now = find_slices(mosaics, store, CatalogueService(server.url), 0)

    assert never == young == first
    changed, same = (each.field for each in mosaics)
    assert now.found[changed].sha256 != first.found[changed].sha256
    assert now.found[same].sha256 == first.found[same].sha256


def test_an_old_slice_is_used_if_the_service_is_down(server, store, raw):
    """With a note."""
    one = mosaic(store, *raw[:2])
    (stored,) = find_slices([one], store, CatalogueService(server.url)).found.values()
    old = (datetime.now(UTC) - timedelta(days=31)).isoformat(timespec="seconds")
    write(store.record_path(stored.cone), replace(stored, fetched_at=old))
    server.fault(faults.html_page())

    slices = find_slices([one], store, CatalogueService(server.url, QUICK), 30)

    assert slices.found[one.field].sha256 == stored.sha256
    (note,) = slices.notes
    assert f"the slice of {old[:10]} is still used" in note and "with a web page (MAST)" in note


def test_a_bundle_brings_its_slices(server, store, raw, tmp_path):
    """At a site without network; a damaged one is not taken."""
    one = mosaic(store, *raw[:2])
    (stored,) = find_slices([one], store, CatalogueService(server.url)).found.values()
    for name, path in store.files([stored]).items():
        (tmp_path / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / name).write_bytes(path.read_bytes())
    nowhere = CatalogueService("http://127.0.0.1:9", QUICK)
    (tmp_path / "other").mkdir()
    other = SliceStore(tmp_path / "other", tmp_path / "bundle")

    brought = find_slices([mosaic(other, *raw[:2])], other, nowhere)
    (tmp_path / "bundle" / "gaia" / f"{stored.sha256}.csv").write_text("stars")
    (tmp_path / "third").mkdir()
    third = SliceStore(tmp_path / "third", tmp_path / "bundle")
    refused = find_slices([mosaic(third, *raw[:2])], third, nowhere)

    assert brought.found == {one.field: stored}
    assert not refused.found and refused.missing


def test_mosaics_that_wait_for_stars_are_named_at_the_end_of_the_run(small_mirror):
    """With the reason; and stored slices that could not be renewed."""
    wait = Wait("deep", "jw01345-o001", "alignment to GAIADR3: the service is down", "catalogue")
    files = RunFiles(small_mirror.run_folder)
    write(Path(files.plan("associations-3")), Plan(context="jwst_0001.pmap", waits=(wait,)))
    gaia = GaiaSlices(notes=("the slice of 2026-01-01 is still used",))
    references = References(context="jwst_0001.pmap", server="s", files={}, gaia=gaia)
    small_mirror.record("references.json", references)

    published = Published(generation=1, is_new=False)
    folder = small_mirror.run_folder
    said = conclude_run(mirror=small_mirror.root, run=folder, published=published, page="p")
    status = run("status", "--mirror", small_mirror.root)

    assert "alignment" not in said.error
    assert "Waiting for stars of Gaia (1); the next run asks again" in said.summary
    assert "  deep/jw01345-o001: alignment to GAIADR3: the service is down" in said.summary
    assert "the slice of 2026-01-01 is still used" in said.summary
    assert "alignment to GAIADR3: the service is down" in " ".join(status.split())
