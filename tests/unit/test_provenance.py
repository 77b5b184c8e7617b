"""Provenance: a result is recalled by its key, whole or not at all."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import ClosedError, StoreError
from jwmirror.core.model import ResultFile
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import Acceptance
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import (
    Provenance,
    acceptance_path,
    keep_acceptance,
    read_acceptances,
)
from tests.setup.records import derivation

KEY = "ab" * 32


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    """The provenance of an empty mirror."""
    return Provenance(tmp_path / "mirror")


def stored_record(provenance: Provenance, data: bytes) -> ProvenanceRecord:
    """A record of one file that is in the store."""
    file = provenance.objects.incoming / "made"
    file.write_bytes(data)
    sha256 = provenance.objects.add(file)
    return ProvenanceRecord(
        key=KEY,
        derivation=derivation(
            parameters={"steps": {"jump": {"rejection_threshold": 5.0, "skip": False}}},
            references={"dark": ("d.fits", "sha1"), "mask": ("N/A", "")},
        ),
        files=(ResultFile(filename="a_rate.fits", sha256=sha256, size=len(data), identity="r"),),
        seconds=1.5,
        peak_memory=10,
        made_at="2026-01-01T00:00:00+00:00",
        software={"numpy": "2"},
    )


def test_a_kept_result_is_recalled(provenance):
    """The record comes back equal, from a read-only file named by its key."""
    record = stored_record(provenance, b"rate")

    kept = provenance.record_once(record)

    assert kept == record
    assert provenance.recall(KEY) == record
    assert provenance.path(KEY).name == f"{KEY}.json"
    assert provenance.path(KEY).stat().st_mode & 0o222 == 0


def test_the_versions_of_a_result_are_read_without_the_rest(provenance):
    """Those outside the key and those of the engine."""
    record = provenance.record_once(stored_record(provenance, b"rate"))

    assert provenance.software(KEY) == {"numpy": "2", **record.derivation.engine}
    assert provenance.software("cd" * 32) == {}


def test_an_unknown_key_recalls_nothing(provenance):
    """A key that was never computed is no error."""
    assert provenance.recall(KEY) is None


def test_the_first_result_of_a_key_stands(provenance):
    """A key names the same bytes ever after, even if it was computed twice."""
    first = provenance.record_once(stored_record(provenance, b"rate"))

    kept = provenance.record_once(stored_record(provenance, b"rate with another DATE"))

    assert kept == first
    assert provenance.recall(KEY) == first
    assert [path.name for path in provenance.folder.iterdir()] == [f"{KEY}.json"]


def test_a_result_without_its_objects_is_not_recalled_and_gives_way(provenance):
    """When an object is gone or short, the key has to be computed again, and may be."""
    first = provenance.record_once(stored_record(provenance, b"rate"))
    place = provenance.objects.path(first.files[0].sha256)
    place.chmod(0o644)
    place.write_bytes(b"ra")

    recalled = provenance.recall(KEY)
    again = provenance.record_once(stored_record(provenance, b"rate once more"))

    assert recalled is None
    assert provenance.recall(KEY) == again != first


def test_a_record_of_absent_objects_is_refused(provenance):
    """Nothing is recorded whose files are not in the store."""
    record = stored_record(provenance, b"rate")
    absent = replace(record.files[0], sha256="cd" * 32)

    with pytest.raises(StoreError, match="it was not recorded"):
        provenance.record_once(replace(record, files=(absent,)))

    assert provenance.read(KEY) is None


def test_a_damaged_record_is_told(provenance):
    """A torn or misnamed record is an error with its path, not an absent result."""
    provenance.folder.mkdir(parents=True)
    provenance.path(KEY).write_text('{"key": ')

    with pytest.raises(StoreError, match=f"{KEY}.json"):
        provenance.recall(KEY)


def test_a_record_of_another_key_is_told(provenance):
    """A renamed record would be recalled as another result."""
    provenance.record_once(stored_record(provenance, b"rate"))
    provenance.path(KEY).rename(provenance.path("cd" * 32))

    with pytest.raises(StoreError, match=f"expected key {'cd' * 32}, found {KEY}"):
        provenance.recall("cd" * 32)


def test_a_result_of_another_size_is_neither_recorded_nor_recalled(provenance):
    """Its object exists, and is not the file of the record."""
    record = stored_record(provenance, b"rate")
    longer = replace(record, files=(replace(record.files[0], size=99),))

    with pytest.raises(StoreError, match="of 99 bytes; it was not recorded"):
        provenance.record_once(longer)


def test_results_of_a_product_are_found_newest_first(provenance):
    """Of one pipeline; other records are not read."""
    first = stored_record(provenance, b"rate")
    made = first.derivation
    others = [
        replace(first, key="02" * 32, made_at="2026-02-01T00:00:00+00:00"),
        replace(first, key="03" * 32, derivation=replace(made, product="y")),
        replace(first, key="04" * 32, derivation=replace(made, pipeline="image2")),
        replace(first, key="05" * 32, made_at="2026-02-01T00:00:00+00:00"),
    ]
    for record in (first, *others):
        provenance.record_once(record)

    found = provenance.of_product(made.pipeline, made.product)

    assert [record.key[:2] for record in found] == ["05", "02", KEY[:2]]
    assert provenance.of_product(made.pipeline, "z") == ()


def test_all_records_are_read(provenance):
    """Also those whose objects are gone; a damaged one is an error."""
    record = stored_record(provenance, b"rate")
    for key in ("02" * 32, KEY):
        provenance.record_once(replace(record, key=key))
    provenance.objects.path(record.files[0].sha256).unlink()

    assert [each.key for each in provenance.all()] == ["02" * 32, KEY]


def test_a_mark_says_why_a_result_is_not_used(provenance):
    """Of each key; others have none."""
    provenance.invalidate([KEY, "02" * 32], "the flat was wrong")

    marks = [provenance.invalidation(key) for key in (KEY, "02" * 32, "03" * 32)]

    assert [mark and mark.because for mark in marks] == ["the flat was wrong"] * 2 + [None]
    assert marks[0].key == KEY and marks[0].at.startswith("20")


def test_objects_and_records_share_one_mirror(provenance, tmp_path):
    """Provenance looks for objects where the mirror keeps them."""
    assert provenance.objects.folder == Objects(tmp_path / "mirror").folder


def test_a_mark_goes_when_the_result_was_computed_again(provenance):
    """Until then it is not recalled, though its record and objects are there."""
    first = provenance.record_once(stored_record(provenance, b"rate"))
    provenance.invalidate([KEY], "the flat was wrong")
    assert provenance.recall(KEY) is None and provenance.read(KEY) == first

    again = provenance.record_once(stored_record(provenance, b"another rate"))

    assert again != first and provenance.recall(KEY) == again
    assert provenance.invalidation(KEY) is None
    assert [path.name for path in provenance.folder.iterdir()] == [f"{KEY}.json"]
    assert provenance.path(KEY).stat().st_mode & 0o777 == 0o400
    assert provenance.path(KEY).read_bytes().endswith(b"}\n")


def test_a_result_is_recalled_only_with_all_of_its_files(provenance):
    """One that is lost makes the others useless."""
    record = stored_record(provenance, b"rate")
    file = provenance.objects.incoming / "second"
    file.write_bytes(b"second")
    second = ResultFile(
        filename="b.fits", sha256=provenance.objects.add(file), size=6, identity="s"
    )
    provenance.record_once(replace(record, files=(*record.files, second)))
    assert provenance.recall(KEY)

    provenance.objects.path(second.sha256).unlink()

    assert provenance.recall(KEY) is None
    with pytest.raises(StoreError, match=r"b\.fits is not in the store"):
        provenance.record_once(replace(record, files=(*record.files, second)))


def test_a_record_that_another_process_wrote_meanwhile_counts(provenance, monkeypatch):
    """Both computed the same key; the first one's bytes are shown."""
    first, second = (stored_record(provenance, data) for data in (b"first", b"second"))
    recall = Provenance.recall

    def late(self, key):
        monkeypatch.setattr(Provenance, "recall", recall)
        self.record_once(first)

    monkeypatch.setattr(Provenance, "recall", late)

    assert provenance.record_once(second) == first
    assert provenance.recall(KEY) == first
    assert [path.name for path in provenance.folder.iterdir()] == [f"{KEY}.json"]


def test_marks_and_records_have_their_folders(provenance, tmp_path):
    """As the documentation names them; marks have a time to the second."""
    provenance.invalidate([KEY], "why")

    assert (tmp_path / f"mirror/invalidated/{KEY}.json").exists()
    assert provenance.path(KEY) == tmp_path / f"mirror/provenance/{KEY}.json"
    at = provenance.invalidation(KEY).at
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", at)
    assert list(Provenance(tmp_path / "none").all()) == []


def test_a_record_that_is_pruned_meanwhile_is_passed_over(provenance, monkeypatch):
    """While the records of a product are read."""
    record = provenance.record_once(stored_record(provenance, b"rate"))
    made = record.derivation
    monkeypatch.setattr(Provenance, "read", lambda self, key: None)

    assert provenance.of_product(made.pipeline, made.product) == ()


def test_acceptances_are_read_by_key(tmp_path):
    """A later one replaces an earlier one; a damaged one is an error."""
    assert read_acceptances(tmp_path) == {}
    earlier, later, other = (
        Acceptance(
            key=key,
            recipe="deep",
            product="x",
            pipeline="p",
            caveats=(),
            because=because,
            who="me",
            accepted_at="t",
        )
        for key, because in ((KEY, "one"), (KEY, "two"), ("cd" * 32, "three"))
    )
    for each in (earlier, later, other):
        keep_acceptance(tmp_path, each)

    assert read_acceptances(tmp_path) == {KEY: later, "cd" * 32: other}
    assert acceptance_path(tmp_path, KEY) == tmp_path / f"accepted/{KEY}.json"
    acceptance_path(tmp_path, KEY).write_text("{")
    with pytest.raises(StoreError, match="accept the result again"):
        read_acceptances(tmp_path)


def test_a_closed_record_of_another_user_is_passed_over(provenance, monkeypatch):
    """`jwmirror explain` of a public result goes on when another record is closed to this user."""
    record = provenance.record_once(stored_record(provenance, b"rate"))
    closed = provenance.folder / f"{'0' * 64}.json"
    closed.write_bytes(b"")
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    made = record.derivation

    assert provenance.of_product(made.pipeline, made.product) == (record,)


def test_a_closed_record_is_left_out_with_one_warning(provenance, monkeypatch, caplog):
    """Commands that read go on; what must know that it is closed gets an error."""
    record = provenance.record_once(stored_record(provenance, b"rate"))

    def refuse(*words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)

    assert provenance.read_if_allowed(record.key) is None
    assert provenance.software(record.key) == {}
    assert caplog.text.count(f"{provenance.folder}: some records are left out") == 1
    with pytest.raises(ClosedError):
        provenance.read(record.key)
