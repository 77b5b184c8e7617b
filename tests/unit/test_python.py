"""The Python interface: `jwmirror.open`."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

import jwmirror
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry
from jwmirror.services.inspect.answers.selection import COLUMNS, described_rows
from jwmirror.store.manifest import SCHEMA, entries_of
from tests.setup.mirrors import EXPOSURE, MOSAIC, image_writer

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
FACTS = {"instrument": "NIRCAM", "detector": "NRCB1", "filter": "F200W", "pupil": "CLEAR"}


@pytest.fixture
def opened(small_mirror) -> jwmirror.Mirror:
    """The small mirror, whose raw exposure has facts, and whose mosaic at MAST has none."""
    path = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
    row = small_mirror.rows[path]
    small_mirror.rows[path] = replace(row, product=structs.replace(row.product, **FACTS))
    small_mirror.publish("facts")
    return jwmirror.open(small_mirror.root)


def test_importing_takes_nothing_along():
    """`import jwmirror` is as fast as an import of pathlib; astropy comes with a table."""
    code = (
        "import sys, pathlib, typing; before = set(sys.modules); import jwmirror; jwmirror.open; "
    )
    shown = "print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code + shown], capture_output=True, text=True)

    assert loaded.stdout.split() == ["jwmirror"]


def test_results_are_selected_by_what_they_are(opened):
    """By the facts of their exposure at MAST, or by those in the name of a combined product."""
    mosaics = opened["deep"].select(filter="f200w", suffix="i2d")
    rates = opened["deep"].select(detector="NRCB1", suffix=["rate", "cal"])

    assert list(mosaics["file"]) == [f"{MOSAIC}_i2d.fits"]
    assert list(rates["file"]) == [f"{EXPOSURE}_rate.fits"]
    assert (rates["observation"][0], rates["level"][0], mosaics["level"][0]) == ("o001", 2, 3)
    assert Path(mosaics["path"][0]).resolve().parent.parent.name == "objects"
    assert (mosaics["crds_ctx"][0], mosaics["origin"][0]) == ("jwst_1464.pmap", "deep")


@pytest.mark.parametrize(
    ("criteria", "files"),
    [
        ({}, 5),
        ({"origin": "upstream"}, 3),
        ({"observation": 1}, 5),
        ({"program": [1345, 2]}, 5),
        ({"level": 3}, 2),
        ({"file": "*_i2d.fits"}, 2),
        ({"filter": "F444W"}, 0),
        ({"exclusive": True}, 0),
    ],
)
def test_criteria(opened, criteria, files):
    """A value, a list of values, a pattern; a table without rows has all columns."""
    table = opened.select(**criteria)

    assert len(table) == files
    assert table.colnames == list(COLUMNS)


def test_wrong_names_are_errors_that_suggest(opened, tmp_path):
    """Of recipes, criteria, generations and folders."""
    with pytest.raises(StoreError, match="did you mean 'deep'"):
        opened["dep"]
    with pytest.raises(StoreError, match="unknown criterion 'filtr'; did you mean 'filter'"):
        opened.select(filtr="F200W")
    with pytest.raises(StoreError, match="no generation 41"):
        opened.generation(41)
    with pytest.raises(StoreError, match="expected the folder of a mirror"):
        jwmirror.open(tmp_path)


def test_earlier_generations_keep_their_files(opened, small_mirror):
    """A generation that is held does not change; without its view, paths are those of objects."""
    held = opened.generation()
    before = held.select(suffix="uncal")
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(9.0), cal_ver="1.19.0")
    small_mirror.publish("reprocessed")
    small_mirror.rows.popitem()
    small_mirror.publish("a file went")

    after = held.select(suffix="uncal")

    assert before["sha256"][0] == after["sha256"][0] != opened.select(suffix="uncal")["sha256"][0]
    assert after["path"][0].endswith(f"/objects/{after['sha256'][0][:2]}/{after['sha256'][0]}")
    assert [each.number for each in opened.generations()] == [1, 2, 3, 4]


def test_history_why_and_diff_are_those_of_the_commands(opened, small_mirror):
    """The same records."""
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(9.0), cal_ver="1.19.0")
    small_mirror.publish("reprocessed")
    name = f"{EXPOSURE}_uncal.fits"

    history, difference = opened.history(name), opened.diff(1, "current")
    (made,) = opened.why(f"{EXPOSURE}_rate.fits")

    assert [version.first for version in history.versions] == [1, 3]
    assert made.record.derivation.parameters["steps"]["jump"]["rejection_threshold"] == 5.0
    assert [change.new.filename for change in difference.files if change.kind == "changed"] == [
        name
    ]
    assert opened.diff(1, 3, name).files[0].comparison.verdict == "pixels changed"
    assert opened.whatis(small_mirror.root / "current" / made.entry.path).files[0].kind == "version"


def test_nothing_is_changed(opened):
    """No file of the mirror is written, made or removed."""

    def state():
        paths = sorted(opened.folder.rglob("*"))
        return [(path, path.lstat().st_mtime_ns, path.lstat().st_size) for path in paths]

    before = state()
    opened.select()
    opened.why(f"{EXPOSURE}_rate.fits")
    opened.history(f"{EXPOSURE}_rate.fits")
    opened.diff(1)

    assert state() == before


def test_files_that_may_not_be_read_are_left_out(opened, monkeypatch):
    """Of another user's mirror."""
    kept = opened.select(suffix="rate")["sha256"][0]
    monkeypatch.setattr("os.geteuid", lambda: opened.folder.stat().st_uid + 1)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name == kept)

    assert list(opened.select()["suffix"]) == ["rate"]


def test_all_columns_are_documented():
    """docs/python.md names the columns of `select` and of a manifest."""
    page = PAGE.read_text()

    names = {*COLUMNS, *SCHEMA.names}
    assert sorted(name for name in names if f"`{name}`" not in page) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jw02221-o001_t001_nircam_f405n-f444w_i2d.fits", ("NIRCAM", "F444W", "F405N", None)),
        (
            "jw01366-o002_t001_nircam_f322w2-grismr_x1dints.fits",
            ("NIRCAM", "F322W2", "GRISMR", None),
        ),
        ("jw01345-o001_s00001_niriss_f200w-gr150c_x1d.fits", ("NIRISS", "GR150C", "F200W", None)),
        ("jw00626-o030_s00000_nirspec_f170lp-g235m_x1d.fits", ("NIRSPEC", "F170LP", None, "G235M")),
        ("jw01345-o001_s00001_nirspec_clear-prism_x1d.fits", ("NIRSPEC", "CLEAR", None, "PRISM")),
        ("jw01024-c1000_t002_miri_ch3-long_x1d.fits", ("MIRI", None, None, None)),
    ],
)
def test_results_that_mast_does_not_have_are_described_by_their_names(name, expected):
    """Of a recipe with an association of its own: instrument, filter, pupil, grating."""
    row = Entry(
        path=f"recalibrated/deep/jw01345/o001/{name}",
        origin="deep",
        sha256="0" * 64,
        size=1,
        result="spec3/x",
        key="1" * 64,
    )

    (found,) = described_rows(entries_of([row]), "deep")

    assert tuple(found[each] for each in ("instrument", "filter", "pupil", "grating")) == expected
