"""The rules of access: a result is as exclusive as its most exclusive input, unknown ones too."""

from pathlib import Path

import pytest

from jwmirror.core.model import Entry, ResultFile
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.store.access import Access, has_access_changed, row_contents
from jwmirror.store.manifest import entries_of
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from tests.setup.mirrors import store_row
from tests.setup.records import derivation, entry, product, science

PUBLIC, EXCLUSIVE = (
    entry(product(f"{name}_uncal.fits", exclusive=name == "b"), sha256=name * 64, identity=name)
    for name in "ab"
)


def access(mirror: Path, *newest: Entry, history: tuple[tuple[Entry, ...], ...] = ()) -> Access:
    """The access by some rows, and by those of earlier generations."""
    earlier = [(number, row_contents(entries_of(rows))) for number, rows in enumerate(history)]
    return Access(mirror, row_contents(entries_of(newest)), lambda: earlier)


def made_of(mirror: Path, *inputs: Entry, key: str = "1c" * 32) -> Entry:
    """The row of a result of some rows, with its provenance."""
    file = Objects(mirror).incoming / "made"
    file.write_bytes(key.encode())
    sha256 = Objects(mirror).add(file)
    items = tuple(science(each.filename, each.identity) for each in inputs)
    record = ProvenanceRecord(
        key=key,
        derivation=derivation(inputs=items),
        files=(ResultFile(filename="x_rate.fits", sha256=sha256, size=64, identity=key),),
        seconds=1.0,
        peak_memory=1,
        made_at="2026-01-01T00:00:00+00:00",
    )
    Provenance(mirror).record_once(record)
    path = f"recalibrated/deep/jw01345/o001/{key[:4]}_rate.fits"
    return Entry(path=path, origin="deep", sha256=sha256, size=64, identity=key, key=key)


@pytest.mark.parametrize(
    ("inputs", "is_closed"),
    [
        ((PUBLIC,), False),
        ((EXCLUSIVE,), True),
        ((PUBLIC, EXCLUSIVE), True),
        ((EXCLUSIVE, PUBLIC), True),
        ((PUBLIC, PUBLIC), False),
        ((), True),
    ],
)
def test_one_exclusive_input_closes_a_result(mirror, inputs, is_closed):
    """And so does one without inputs on record."""
    row = made_of(mirror, *inputs)

    closed = access(mirror, PUBLIC, EXCLUSIVE, row).closed(entries_of([row]))

    assert (closed == {row.sha256}) is is_closed


def test_what_is_made_of_a_closed_result_is_closed(mirror):
    """Through all stages."""
    rate = made_of(mirror, EXCLUSIVE)
    cal = made_of(mirror, rate, key="2c" * 32)
    mosaic = made_of(mirror, cal, PUBLIC, key="3c" * 32)

    rows = (PUBLIC, EXCLUSIVE, rate, cal, mosaic)
    closed = access(mirror, *rows).closed(entries_of(rows))

    assert closed == {EXCLUSIVE.sha256, rate.sha256, cal.sha256, mosaic.sha256}


def test_an_unknown_product_and_an_unknown_input_are_closed(mirror):
    """Nothing says that they are public."""
    row = made_of(mirror, PUBLIC, entry(product("z_uncal.fits"), identity="z"))

    rules = access(mirror, PUBLIC, row)

    assert rules.closed(entries_of([row])) == {row.sha256}
    assert rules.closed(entries_of([PUBLIC])) == set()
    assert access(mirror).closed(entries_of([PUBLIC])) == {PUBLIC.sha256}


def test_the_newest_word_of_mast_counts(mirror):
    """An earlier generation adds what the newest does not know, and changes nothing else."""
    was_public = entry(product("b_uncal.fits"), sha256="b" * 64, identity="b")
    row = made_of(mirror, PUBLIC, EXCLUSIVE)

    now = access(mirror, EXCLUSIVE, row, history=((PUBLIC, was_public),))

    assert now.closed(entries_of([row])) == {row.sha256}
    assert now.closed(entries_of([PUBLIC])) == set()
    assert now.closed(entries_of([was_public])) == {was_public.sha256}


def test_closed_objects_are_restricted_and_only_these(mirror):
    """What is open and may be stays open."""
    rows = [store_row(mirror, f"{n}_uncal.fits", n.encode(), product=product(f"{n}_uncal.fits",
            exclusive=n == "b")) for n in "ab"]  # fmt: skip
    lost = entry(product("c_uncal.fits", exclusive=True), sha256="c" * 64)

    closed = access(mirror, *rows, lost).enforce(entries_of([*rows, lost]))

    modes = [Objects(mirror).path(row.sha256).stat().st_mode & 0o777 for row in rows]
    assert closed == {rows[1].sha256}
    assert modes == [0o444, 0o400]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([PUBLIC, EXCLUSIVE], [PUBLIC, EXCLUSIVE], False),
        ([entry(product("b_uncal.fits"))], [EXCLUSIVE], True),
        ([EXCLUSIVE], [entry(product("b_uncal.fits"))], True),
        ([PUBLIC], [PUBLIC, EXCLUSIVE], False),
        ([PUBLIC, EXCLUSIVE], [PUBLIC], False),
        ([], [], False),
    ],
)
def test_a_change_of_access_is_one_of_a_product_that_both_states_have(old, new, expected):
    """A new exclusive product changes the access to nothing that was there."""
    assert has_access_changed(entries_of(old), entries_of(new)) is expected
