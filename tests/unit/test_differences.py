"""How two generations differ, file by file: agrees with the counts that they publish."""

from dataclasses import replace
from time import process_time

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import structs

from jwmirror.core.model import GONE, Entry, Product
from jwmirror.store.manifest import Entries, entries_of
from jwmirror.store.rows.differences import compare_rows, row_differences

PATHS = [
    f"{origin}/jw01345/o00{number}/a_cal.fits"
    for origin in ("upstream", "recalibrated/deep", "recalibrated/quick")
    for number in range(4)
]


def entry(path: str, content: int = 0, **facts: object) -> Entry:
    """A row; its content is a number."""
    origin = path.split("/")[-4]
    product = Product(uri="u", filename="a", program=1345, observation="o001", suffix="cal")
    sha256 = f"{content:064x}"
    row = Entry(path=path, origin=origin, sha256=sha256, size=1)
    return replace(row, product=product if origin == "upstream" else None, **facts)


ROWS = some.builds(entry, some.sampled_from(PATHS), some.integers(0, 2)) | some.builds(
    entry, some.sampled_from(PATHS), some.integers(0, 2), state=some.just(GONE)
)
STATES = some.lists(ROWS, unique_by=lambda row: row.path, max_size=12)


def difference(old: list[Entry], new: list[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the sorted paths of each kind of change, compared row by row."""
    was, now = ({entry.path: entry for entry in entries} for entries in (old, new))
    both = [path for path in now if path in was]
    moved = {path for path in both if now[path].sha256 != was[path].sha256}
    return {
        "new": tuple(sorted(now.keys() - was.keys())),
        "changed": tuple(sorted(moved)),
        "marked": tuple(sorted(p for p in both if p not in moved and now[p] != was[p])),
        "gone": tuple(sorted(was.keys() - now.keys())),
    }


@settings(deadline=None, max_examples=60)
@given(old=STATES, new=STATES)
def test_agrees_with_the_counts_of_a_generation(old, new):
    """By columns or by rows, the same files are new, changed, marked and gone."""
    expected = difference(old, new)

    changes = compare_rows(entries_of(old), entries_of(new))
    counts = row_differences(entries_of(old), entries_of(new)).counts

    assert counts == {kind: len(paths) for kind, paths in expected.items()}
    for kind, paths in expected.items():
        here = [change for change in changes if change.kind == kind]
        assert tuple((change.new or change.old).path for change in here) == paths
        assert all(change.old in (None, *old) and change.new in (None, *new) for change in here)


def test_two_recipes_are_compared_by_product():
    """Files of one observation and name, whatever folder the recipe has; marks do not count."""
    rows = entries_of(
        [
            entry("recalibrated/deep/jw01345/o001/a_cal.fits", 1),
            entry("recalibrated/quick/jw01345/o001/a_cal.fits", 2),
            entry("upstream/jw01345/o001/a_cal.fits", 1),
            entry("upstream/jw01345/o002/a_cal.fits", 3),
        ]
    )

    recipes = compare_rows(rows, rows, "deep", "quick")
    upstream = compare_rows(rows, rows, "deep", "upstream")

    assert [(change.kind, change.old.origin, change.new.origin) for change in recipes] == [
        ("changed", "deep", "quick")
    ]
    assert [(change.kind, change.new.path) for change in upstream] == [
        ("new", "upstream/jw01345/o002/a_cal.fits")
    ]


def test_equal_science_in_other_bytes_is_marked():
    """Where both identities are known and the same, the change says so."""
    path = PATHS[0]
    old, same, other = (
        entries_of([entry(path, number, identity=identity)])
        for number, identity in ((1, "aa"), (2, "aa"), (3, "bb"))
    )

    assert [change.same_science for change in compare_rows(old, same)] == [True]
    assert [change.same_science for change in compare_rows(old, other)] == [False]


def test_without_a_known_identity_the_science_may_differ():
    """Of changed files; others have no two identities to compare."""
    path, other = PATHS[0], PATHS[1]
    old = entries_of([entry(path, 1), entry(other, 1, identity="aa")])
    new = entries_of([entry(path, 2), entry(PATHS[2], 1, identity="aa")])

    changes = compare_rows(old, new)

    assert [(change.kind, change.same_science) for change in changes] == [
        ("new", False),
        ("changed", False),
        ("gone", False),
    ]
    assert [(c.old and c.old.path, c.new and c.new.path) for c in changes] == [
        (None, PATHS[2]),
        (path, path),
        (other, None),
    ]


def test_a_value_that_was_not_known_marks_a_file():
    """And one that is not known any more."""
    plain = entry(PATHS[0])
    known = replace(plain, product=structs.replace(plain.product, filter="F200W"))

    for old, new in ((plain, known), (known, plain)):
        changes = compare_rows(entries_of([old]), entries_of([new]))
        assert [change.kind for change in changes] == ["marked"]


def test_nothing_differs_from_nothing():
    """All counts are zero."""
    counts = row_differences(entries_of([]), entries_of([])).counts

    assert counts == {"new": 0, "changed": 0, "marked": 0, "gone": 0}


def test_a_hundred_thousand_files_take_seconds():
    """One change among 100,000 rows is found by columns, without building the rows."""
    one, count = entries_of([entry(PATHS[0])]).table, 100_000
    paths = [f"upstream/jw01345/o001/{number:06d}_cal.fits" for number in range(count)]
    table = pa.concat_tables([one] * count).combine_chunks()
    table = table.set_column(0, "path", pa.array(paths))
    sums = pa.array(["0" * 64] * (count - 1) + ["f" * 64])
    place = table.column_names.index("sha256")
    old, new = (Entries(change) for change in (table, table.set_column(place, "sha256", sums)))

    start = process_time()
    changes = compare_rows(old, new)
    seconds = process_time() - start

    assert [change.new.path for change in changes if change.kind == "changed"] == [paths[-1]]
    assert len(changes) == 1
    assert seconds < 3
