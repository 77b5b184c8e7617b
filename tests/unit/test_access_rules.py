"""The rules of access: a result is as exclusive as its most exclusive input, unknown ones too."""

import grp
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.model import Entry, Input, ResultFile, Version, write
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.store.access import Access, Content, has_access_changed, report_path, row_contents
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


def made_of(
    mirror: Path,
    *inputs: Entry,
    key: str = "1c" * 32,
    with_bytes: bool = False,
    own: Input | None = None,
) -> Entry:
    """The row of a result of some rows, with its provenance; inputs are known by their science.

    `own` is an input that is a file of the user.
    """
    file = Objects(mirror).incoming / "made"
    file.write_bytes(key.encode())
    sha256 = Objects(mirror).add(file)
    items = tuple(science(each.filename, each.identity) for each in inputs)
    if with_bytes:
        items = tuple(replace(i, sha256=e.sha256) for i, e in zip(items, inputs, strict=True))
    items += (own,) if own else ()
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


@pytest.mark.parametrize(
    ("content", "is_closed"),
    [("c", True), (PUBLIC.identity, False), (EXCLUSIVE.identity, True)],
)
def test_a_result_of_an_own_file_is_closed_unless_its_content_is_public(
    mirror, content, is_closed, caplog
):
    """The file may come from exclusive data. Earlier generations are not read for it."""
    psf = Input(name="psf.fits", role="psf", identity=content, sha256=content * 64, path="/w/psf")
    row = made_of(mirror, PUBLIC, own=psf)
    newest = row_contents(entries_of([PUBLIC, EXCLUSIVE, row]))

    closed = Access(mirror, newest, lambda: pytest.fail("read")).closed(entries_of([row]))

    assert (closed == {row.sha256}) is is_closed and not caplog.records


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


def test_of_a_product_in_a_pruned_generation_another_generation_knows_the_access(mirror):
    """A tombstone has no access; the generation before it does."""
    row = made_of(mirror, PUBLIC)
    pruned = [Content(PUBLIC.sha256, "", PUBLIC.product.uri, None, "")]
    history = [(2, pruned), (1, row_contents(entries_of([PUBLIC])))]

    known = Access(mirror, [], lambda: history).closed(entries_of([PUBLIC, row]))
    unknown = Access(mirror, [], lambda: history[:1]).closed(entries_of([PUBLIC]))

    assert known == set()
    assert unknown == {PUBLIC.sha256}


def test_a_product_that_only_an_earlier_generation_knows_has_its_access(mirror):
    """The history is read for it, too."""
    history = [(1, row_contents(entries_of([PUBLIC, EXCLUSIVE])))]

    closed = Access(mirror, [], lambda: history).closed(entries_of([PUBLIC, EXCLUSIVE]))

    assert closed == {EXCLUSIVE.sha256}


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


def stored(mirror: Path, name: str, exclusive: bool) -> Entry:
    """The row of a product whose bytes are in the store, open."""
    filename = f"{name}_uncal.fits"
    return store_row(
        mirror, filename, name.encode(), product=product(filename, exclusive=exclusive)
    )


def mode(mirror: Path, row: Entry) -> int:
    """Permissions of a row's object."""
    return Objects(mirror).path(row.sha256).stat().st_mode & 0o777


def test_a_group_may_read_what_is_closed_already(mirror):
    """The config may name another group than before."""
    row = stored(mirror, "b", exclusive=True)
    access(mirror, row).enforce(entries_of([row]))
    group = grp.getgrgid(os.getgid()).gr_name
    contents = row_contents(entries_of([row]))

    Access(mirror, contents, lambda: [], group).enforce(entries_of([row]))

    assert mode(mirror, row) == 0o440


def test_a_group_that_the_config_does_not_name_any_more_reads_nothing(mirror):
    """Also not the objects that only earlier generations have."""
    row, earlier = stored(mirror, "b", exclusive=True), stored(mirror, "c", exclusive=True)
    group = grp.getgrgid(os.getgid()).gr_name
    for each in (row, earlier):
        Objects(mirror, group).restrict(each.sha256)

    access(mirror, row, history=((row,), (earlier,))).enforce(entries_of([row]))

    assert (mode(mirror, row), mode(mirror, earlier)) == (0o400, 0o400)


@pytest.mark.parametrize("everywhere", [False, True])
def test_access_is_set_in_all_generations_if_it_changed(mirror, everywhere):
    """Objects and pages of earlier ones too: closed where MAST has closed, open where released."""
    closed, released = stored(mirror, "b", exclusive=True), stored(mirror, "c", exclusive=False)
    lost = entry(product("d_uncal.fits"), sha256="d" * 64)
    for row in (closed, released):
        Objects(mirror).restrict(row.sha256)
    for number, old in enumerate("01"):
        path = report_path(mirror, number)
        path.parent.mkdir(exist_ok=True)
        path.write_text(old)
    history = ((closed, lost), (released,))

    rules = access(mirror, closed, released, history=history)
    rules.enforce(entries_of([closed]), everywhere=everywhere)

    pages = [report_path(mirror, number).stat().st_mode & 0o777 for number in (0, 1)]
    assert mode(mirror, closed) == 0o400
    assert mode(mirror, released) == (0o444 if everywhere else 0o400)
    assert pages == ([0o600, 0o644] if everywhere else [0o644, 0o644])


def test_an_open_object_that_must_be_closed_closes_its_like_everywhere(mirror):
    """An older version of jwmirror may have left more of them open."""
    one, other = stored(mirror, "b", exclusive=True), stored(mirror, "c", exclusive=True)
    rules = access(mirror, one, other, history=((other,),))

    closed = rules.enforce(entries_of([one]))

    assert closed == {one.sha256, other.sha256}
    assert mode(mirror, other) == 0o400


def test_an_input_that_is_gone_is_traced_by_its_description(mirror):
    """Its bytes were pruned; the record of its description names the product."""
    gone = entry(product("g_uncal.fits"), sha256="9" * 64, identity="g")
    row = made_of(mirror, replace(gone, identity="other"), key="4c" * 32)
    item = Provenance(mirror).read(row.key).derivation.inputs[0]
    assert item.sha256 == ""

    by_science = made_of(mirror, gone, key="5c" * 32)
    record = Version(product=gone.product, sha256=gone.sha256, size=1)
    write(mirror / "receipts/inputs" / f"{gone.sha256}.json", record)
    rules = access(mirror, row, by_science, gone)

    assert rules.closed(entries_of([by_science])) == set()
    assert rules.closed(entries_of([row])) == {row.sha256}


@pytest.mark.parametrize("name", ["{}.json", "{}.2-1.json"])
@pytest.mark.parametrize(("exclusive", "is_closed"), [(False, False), (True, True)])
def test_a_described_input_has_the_access_of_its_product(mirror, name, exclusive, is_closed):
    """Of the first and of later versions of the descriptions; the newest word of MAST counts."""
    listed = product("i_rate.fits", exclusive=exclusive)
    taken = entry(listed, sha256="8" * 64, identity="unknown to the manifest")
    row = made_of(mirror, taken, key="6c" * 32, with_bytes=True)
    record = Version(product=listed, sha256=taken.sha256, size=1)
    write(mirror / "receipts/inputs" / name.format(taken.sha256), record)
    newer = replace(taken, sha256="7" * 64, identity="newer")

    closed = access(mirror, row, newer).closed(entries_of([row]))

    assert (closed == {row.sha256}) is is_closed
