"""Two catalogues of sources: which sources are the same, and what of them differs."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from jwmirror.compare.reprocessing import content_change
from jwmirror.compare.versions import compare_files
from jwmirror.core.model.comparison import (
    HEADER,
    IDENTICAL,
    VALUES,
    ColumnDifference,
    Source,
    SourcePairs,
    TableDifference,
)
from jwmirror.report.explanation import EarlierResult, Explanation

PIXEL = 0.063 / 3600  # degrees


@pytest.fixture
def field():
    """A catalogue of 40 sources as the source_catalog step writes it, across 0 h."""
    random = np.random.default_rng(3)
    x, y = random.uniform(0, 900, (2, 40))
    table = Table({"label": np.arange(1, 41), "xcentroid": x, "ycentroid": y})
    table["sky_centroid.ra"] = (x - 450) * PIXEL / np.cos(np.radians(60)) % 360
    table["sky_centroid.dec"] = 60 + (y - 450) * PIXEL
    table["aper_total_flux"] = random.uniform(1, 9, 40)
    table["nn_label"] = np.arange(1, 41)[::-1]
    for name, unit in (("sky_centroid.ra", "deg"), ("sky_centroid.dec", "deg")):
        table[name].unit = unit
    table["aper_total_flux"].unit = "Jy"
    return table


@pytest.fixture
def compare(tmp_path, field):
    """Compares the field with a changed table."""

    def compared(new: Table, old: Table | None = None):
        (old or field).write(tmp_path / "old_cat.ecsv", overwrite=True)
        new.write(tmp_path / "new_cat.ecsv", overwrite=True)
        return compare_files(tmp_path / "old_cat.ecsv", tmp_path / "new_cat.ecsv")

    return compared


def relabelled(table: Table) -> Table:
    """The table as the step would number its rows."""
    table["label"] = np.arange(1, len(table) + 1)
    return table


def test_one_more_source_is_the_only_difference(compare, field):
    """It is the first row, and all labels after it are other ones: no other source differs."""
    new = field.copy()
    new.insert_row(0, [0, 10.25, 20.5, 359.99, 60.001, 2.0, 7])

    (table,) = compare(relabelled(new)).tables

    pairs, (source,) = table.sources, table.sources.only_new
    assert (pairs.both, pairs.only_old, table.columns) == (40, (), ())
    assert (pairs.renumbered, pairs.largest, pairs.unit) == (40, 0, "arcsec")
    assert (source.label, source.ra, source.dec) == ("1", 359.99, 60.001)
    assert (source.x, source.y) == (10.25, 20.5)


def test_a_source_less_is_only_in_the_old_catalogue(compare, field):
    """With its label there; the verdict is that values changed."""
    new = field.copy()
    new.remove_row(7)

    comparison = compare(relabelled(new))

    pairs = comparison.tables[0].sources
    assert (comparison.verdict, pairs.both, pairs.only_new) == (VALUES, 39, ())
    assert [source.label for source in pairs.only_old] == ["8"]


def test_labels_and_order_are_not_science(compare, field):
    """Neither those of the sources, nor those of their nearest neighbours."""
    named, turned = field.copy(), field[::-1].copy()
    named["label"], named["nn_label"] = named["label"] + 5, named["nn_label"] + 5

    for new in (named, turned):
        comparison = compare(new)
        assert comparison.verdict == HEADER
        assert comparison.tables[0].sources.renumbered == 40
    assert compare(field).verdict == IDENTICAL


def test_values_of_pairs_have_median_and_largest_with_sign(compare, field):
    """Whatever the order of the rows is."""
    new = field[::-1].copy()
    new["aper_total_flux"][:3] += np.array([-4.0, 0.5, 0.25])

    (table,) = compare(new).tables

    (flux,) = table.columns
    assert (flux.name, flux.new_type, flux.differing) == ("aper_total_flux", "float64 Jy", 3)
    assert (flux.median, flux.largest) == (pytest.approx(0.25), pytest.approx(-4))


def test_the_radius_is_three_pixels(compare, field):
    """A source that moved by 2 pixels is the same one; one that moved by 4 is another."""
    near, far = field.copy(), field.copy()
    near["sky_centroid.dec"][5] += 2 * PIXEL
    far["sky_centroid.dec"][5] += 4 * PIXEL

    pairs, others = (compare(new).tables[0].sources for new in (near, far))

    assert pairs.radius == pytest.approx(3 * 0.063, rel=1e-3)
    assert (pairs.both, pairs.median) == (40, 0)
    assert pairs.largest == pytest.approx(0.126, rel=1e-3)
    assert (others.both, len(others.only_old), len(others.only_new)) == (39, 1, 1)


def test_a_common_shift_is_found_and_stated(compare, field):
    """Another alignment moves all sources together, by more than the radius."""
    new = field[2:].copy()
    new["sky_centroid.dec"] += 0.8 / 3600
    new["aper_total_flux"][0] += 1

    pairs = compare(new).tables[0].sources

    assert pairs.shift == pytest.approx((0, 0.8), abs=1e-3)
    assert (pairs.both, len(pairs.only_old), len(pairs.only_new)) == (38, 2, 0)
    assert pairs.median == pytest.approx(0.8, abs=1e-3)


def test_fields_without_common_sources_have_no_pairs(compare, field):
    """Nor is a shift found between them by chance."""
    new = field.copy()
    random = np.random.default_rng(4)
    new["sky_centroid.dec"] = 60 + (random.uniform(0, 900, 40) - 450) * PIXEL

    pairs = compare(new).tables[0].sources

    assert pairs.both < 5 and pairs.shift is None


def test_without_sky_the_pixels_count(compare, field):
    """Names of columns are those of jwst, or of photutils since 3."""
    old, new = field.copy(), field[::-1].copy()
    for table in (old, new):
        table.remove_columns(["sky_centroid.ra", "sky_centroid.dec"])
    new.rename_columns(["xcentroid", "ycentroid"], ["x_centroid", "y_centroid"])

    pairs = compare(new, old).tables[0].sources

    assert (pairs.both, pairs.unit, pairs.radius) == (40, "pixel", 3)


def test_sources_without_position_are_paired_in_their_order(compare, field):
    """Their values are compared like those of the others."""
    old, new = field.copy(), field.copy()
    for table in (old, new):
        table["sky_centroid.ra"][[3, 9]] = np.nan
    new["aper_total_flux"][9] += 2

    (table,) = compare(new, old).tables

    (flux,) = table.columns
    assert (table.sources.both, flux.differing, flux.largest) == (40, 1, pytest.approx(2))


def test_two_sources_at_one_place_have_a_partner_each(compare, field):
    """Each source is paired once."""
    twice = field.copy()
    twice["sky_centroid.ra"][1] = twice["sky_centroid.ra"][0]
    twice["sky_centroid.dec"][1] = twice["sky_centroid.dec"][0]
    brighter = twice.copy()
    brighter["aper_total_flux"][1] += 1

    (table,) = compare(brighter, twice).tables

    assert (table.sources.both, table.sources.only_old, table.sources.only_new) == (40, (), ())
    assert [column.differing for column in table.columns] == [1]


def test_angles_turn_around(compare, field):
    """Position angles repeat after 180 degrees, right ascensions after 360."""
    old, new = field.copy(), field.copy()
    for table, angle, ra in ((old, 1.0, 1e-7), (new, 179.0, 360 - 1e-7)):
        table["orientation"] = np.full(40, 30.0)
        table["orientation"][4] = angle
        table["orientation"].unit = "deg"
        table["sky_centroid.ra"][6] = ra

    ra, orientation = compare(new, old).tables[0].columns

    assert (ra.name, ra.largest) == ("sky_centroid.ra", pytest.approx(-2e-7))
    assert (orientation.name, orientation.largest) == ("orientation", pytest.approx(-2))


def test_tables_without_positions_stay_row_by_row(compare):
    """A light curve has one row for each time, and no sources."""
    old = Table({"MJD": [1.0, 2.0, 3.0], "aperture_sum": [5.0, 6.0, 7.0]})
    new = old.copy()
    new["aperture_sum"][1] = 6.5

    (table,) = compare(new, old).tables

    assert table.sources is None
    assert [(each.name, each.differing, each.largest) for each in table.columns] == [
        ("aperture_sum", 1, 0.5)
    ]


def test_empty_catalogues_can_be_compared(compare, field):
    """A mosaic without a source, before or after."""
    (table,) = compare(field[:0]).tables

    assert (table.sources.both, len(table.sources.only_old)) == (0, 40)
    assert replace(table.sources, only_old=()).median is None


def test_a_reprocessed_catalogue_is_classed_by_its_sources(tmp_path, field):
    """By the same comparison: other labels are no other values, one source less is."""
    named, less = field.copy(), field.copy()
    named["label"] += 5
    less.remove_row(0)
    paths = [tmp_path / f"{number}_cat.ecsv" for number in range(3)]
    for table, path in zip((field, named, relabelled(less)), paths, strict=True):
        table.write(path)

    verdicts = [content_change(paths[0], path, "x_cat.ecsv").verdict for path in paths[1:]]

    assert verdicts == [HEADER, VALUES]


def test_all_keys_are_documented():
    """Those of tables and catalogues in `diff --json`, and those of `explain --json`."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    _, _, keys = page.partition("**diff A B FILE**")

    records = (TableDifference, ColumnDifference, SourcePairs, Source, Explanation, EarlierResult)
    names = {field.name for record in records for field in fields(record)}
    assert "renumbered" in names
    assert {name for name in names if f"`{name}`" not in keys} == set()
