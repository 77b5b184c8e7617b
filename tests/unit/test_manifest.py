"""Manifests: rows read back as they were written, and what differs between two."""

import warnings
from dataclasses import replace
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry, Product
from jwmirror.store.manifest import (
    SCHEMA,
    Entries,
    entries_of,
    read_columns,
    read_manifest,
    write_manifest,
)
from jwmirror.store.rows import differences
from jwmirror.store.rows.differences import without_origin

UNCAL = Product(
    uri="mast:JWST/product/a_uncal.fits",
    filename="a_uncal.fits",
    program=1345,
    observation="o001",
    suffix="uncal",
    size=7,
    checksum="0" * 32,
    detector="NRCB1",
)
ROW = Entry(
    path="upstream/jw01345/o001/a_uncal.fits",
    origin="upstream",
    sha256="a" * 64,
    size=7,
    identity="i" * 64,
    product=UNCAL,
    header='{"META.X":"1"}',
)
MADE = Entry(
    path="recalibrated/deep/jw01345/o001/a_rate.fits",
    origin="deep",
    sha256="b" * 64,
    size=9,
    key="k" * 64,
    context="jwst_0001.pmap",
)


def test_rows_read_back_as_written(tmp_path: Path):
    """Every field of an upstream and of a recalibrated row survives the file, sorted by path."""
    write_manifest(tmp_path / "manifest.parquet", [ROW, MADE])

    rows = read_manifest(tmp_path / "manifest.parquet")

    assert tuple(rows) == (MADE, ROW)
    assert rows == [MADE, ROW]
    assert (rows[0], rows[-1], len(rows)) == (MADE, ROW, 2)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
products = st.builds(
    Product,
    uri=texts,
    filename=texts,
    program=st.integers(0, 99999),
    observation=texts,
    suffix=texts,
    size=st.none() | st.integers(0, 2**50),
    checksum=st.none() | texts,
    exclusive=st.booleans(),
    filter=st.none() | texts,
)
rows_of_any_kind = st.builds(
    Entry,
    path=st.text("abc", min_size=1, max_size=5),
    origin=texts,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.integers(0, 2**50),
    header=texts,
    product=st.none() | products,
)


@given(st.lists(rows_of_any_kind, unique_by=lambda row: row.path, max_size=12))
def test_any_rows_read_back_as_written(tmp_path_factory, rows):
    """Empty texts, unknown values and odd characters survive too."""
    path = tmp_path_factory.mktemp("any") / "manifest.parquet"
    write_manifest(path, rows)

    back = read_manifest(path)

    assert tuple(back) == tuple(sorted(rows, key=lambda row: row.path))
    assert back == entries_of(rows)


def test_rows_are_found_by_place():
    """From both ends, in slices, and not beyond the ends."""
    rows = entries_of([ROW, MADE])

    assert (rows[0], rows[1], rows[-2]) == (MADE, ROW, MADE)
    assert rows[1:] == (ROW,) and tuple(rows.rows([1, 0])) == (ROW, MADE)
    for place in (2, -3):
        with pytest.raises(IndexError):
            rows[place]


def test_equal_rows_give_equal_bytes(tmp_path: Path):
    """The bytes of a manifest do not depend on the order in which rows are given."""
    write_manifest(tmp_path / "one", [ROW, MADE])
    write_manifest(tmp_path / "other", read_manifest(tmp_path / "one"))
    write_manifest(tmp_path / "turned", [MADE, ROW])

    contents = {(tmp_path / name).read_bytes() for name in ("one", "other", "turned")}

    assert len(contents) == 1


def test_a_changed_field_makes_rows_unequal():
    """Entries that differ in one optional field of a product are not equal."""
    other = replace(ROW, product=structs.replace(UNCAL, validator="etag"))

    assert entries_of([ROW]) == entries_of([ROW])
    assert entries_of([ROW]) != entries_of([other])
    assert entries_of([ROW]) != entries_of([ROW, MADE])
    assert entries_of([ROW]) == [ROW] != [other] != entries_of([ROW])
    assert entries_of([]) != 0


def test_a_manifest_of_an_older_version_reads_with_defaults(tmp_path: Path):
    """A column that did not exist when a manifest was written reads as the field's default."""
    older = entries_of([ROW, MADE]).table.drop_columns(["refusal", "product_stale"])
    pq.write_table(older, tmp_path / "manifest.parquet")

    rows = read_manifest(tmp_path / "manifest.parquet")

    assert tuple(rows) == (MADE, ROW)
    assert rows == entries_of([ROW, MADE])


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../out", "a//b", "a/./b", "", "a/..", "~/a", "a\0b"]
)
def test_a_path_that_leaves_the_view_is_refused(path):
    """A row can neither stand outside the view nor under two spellings."""
    with pytest.raises(StoreError, match="stays in the view"):
        entries_of([replace(ROW, path=path)])


def test_two_rows_cannot_share_a_place():
    """Two rows of one path, or a file where others need a folder, are refused."""
    with pytest.raises(StoreError, match="two rows"):
        entries_of([ROW, ROW])
    with pytest.raises(StoreError, match="need a folder"):
        entries_of([replace(ROW, path="a"), replace(ROW, path="a/b/c")])


def test_what_is_not_a_manifest_is_told(tmp_path: Path):
    """Neither a missing nor a damaged file is taken for an empty manifest."""
    (tmp_path / "torn").write_bytes(b"PAR1 and then nothing")

    with pytest.raises(StoreError, match="torn"):
        read_manifest(tmp_path / "torn")
    with pytest.raises(StoreError, match="missing"):
        read_manifest(tmp_path / "missing")


def test_entries_are_built_only_when_asked_for():
    """A column is read without building a single entry."""
    rows = entries_of([ROW, MADE])

    assert isinstance(rows, Entries)
    assert rows.column("size") == [9, 7]
    assert rows.column("product_detector") == [None, "NRCB1"]


def test_some_columns_are_read_without_the_others(tmp_path: Path):
    """In the order of the rows."""
    write_manifest(tmp_path / "manifest.parquet", [ROW, MADE])

    rows = read_columns(tmp_path / "manifest.parquet", ("path", "size"))

    assert rows.table.column_names == ["path", "size"]
    assert (rows.column("path"), rows.column("size")) == ([MADE.path, ROW.path], [9, 7])


def test_a_manifest_is_a_read_only_file_that_other_tools_read_fast(tmp_path: Path):
    """Compressed, with statistics of each column."""
    write_manifest(tmp_path / "manifest.parquet", [ROW, MADE])

    column = pq.ParquetFile(tmp_path / "manifest.parquet").metadata.row_group(0).column(0)

    assert (tmp_path / "manifest.parquet").stat().st_mode & 0o777 == 0o444
    assert (column.path_in_schema, column.compression) == ("path", "ZSTD")
    assert column.is_stats_set and column.statistics.max == ROW.path


def test_a_part_that_was_freed_can_still_be_read_as_a_whole(tmp_path: Path):
    """Once, however often it is asked for; rows with all columns are not freed."""
    path, reads = tmp_path / "manifest.parquet", []
    write_manifest(path, [ROW, MADE])

    def read() -> Entries:
        reads.append(path)
        return read_manifest(path)

    part, whole = read_columns(path, ("path", "size"), read), read_manifest(path)
    part.forget()
    whole.forget()

    assert part.reader() == part.reader() == whole == (MADE, ROW)
    assert len(reads) == 1


def test_columns_with_few_values_are_read_as_dictionaries(tmp_path: Path):
    """All texts but those that are different in each row."""
    write_manifest(tmp_path / "manifest.parquet", [ROW, MADE])

    fields = read_manifest(tmp_path / "manifest.parquet").table.schema

    texts_ = {field.name for field in SCHEMA if field.type == pa.string()}
    dictionaries = {field.name for field in fields if pa.types.is_dictionary(field.type)}
    assert texts_ - dictionaries == {
        *("path", "sha256", "identity"),
        *("product_uri", "product_filename", "product_checksum"),
    }
    assert dictionaries < texts_


def test_only_the_columns_of_products_may_have_no_value():
    """As rows of results have none."""
    nullable = {field.name: field.nullable for field in SCHEMA}

    assert all(nullable[name] == name.startswith("product_") for name in nullable)
    assert (nullable["path"], nullable["product_uri"]) == (False, True)


def test_rows_are_chosen_by_the_value_of_a_column():
    """And say how many they are."""
    rows = entries_of([ROW, MADE])

    assert tuple(rows.where("origin", "deep")) == (MADE,)
    assert tuple(rows.where("product_filter", None)) == (MADE, ROW)
    assert repr(rows) == "Entries(2 rows)"


@pytest.mark.parametrize("path", [ROW.path, MADE.path])
def test_a_path_without_its_origin_is_that_of_the_observation(path):
    """Of MAST's files and of a recipe's."""
    assert without_origin(path).startswith("jw01345/o001/a_")


@pytest.mark.parametrize("compare", [differences.compare_rows, differences.row_differences])
def test_a_comparison_imports_what_it_needs(monkeypatch, compare):
    """Other commands start without it."""
    imported = []
    monkeypatch.setattr(differences, "import_module", imported.append)

    compare(entries_of([ROW]), entries_of([MADE]))

    assert imported == ["pyarrow.compute"]


def test_astropy_reads_a_manifest_through_pandas_only(tmp_path):
    """Its own reader fails at nulls; docs/python.md says so, and has to change when it does not."""
    path = tmp_path / "manifest.parquet"
    write_manifest(path, [ROW, MADE])

    table = Table.from_pandas(pandas.read_parquet(path))

    assert list(table["path"]) == sorted([ROW.path, MADE.path])
    with pytest.raises(TypeError), warnings.catch_warnings(action="ignore"):
        Table.read(path)
