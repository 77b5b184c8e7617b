"""The record of verified references: it holds for a file that nobody has written to since."""

import os
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

import pytest

from jwmirror.crds.cache import (
    CacheHashes,
    VerifiedCache,
    VerifiedFile,
    has_config,
    read_verified,
    write_config,
    write_verified,
)

NAME = "jwst_nircam_flat_0001.fits"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A reference in a cache."""
    path = tmp_path / "references/jwst/nircam" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"flat")
    return path


def touch(path: Path) -> None:
    """Give a file another mtime."""
    os.utime(path, (1, 1))


def restore_mtime(path: Path) -> None:
    """Write other bytes of the same length, and set the mtime back."""
    mtime = path.stat().st_mtime_ns
    path.write_bytes(b"FLAT")
    os.utime(path, ns=(mtime, mtime))


def swap(path: Path) -> None:
    """Put another file in its place, with the same size and mtime."""
    other, mtime = path.with_name("other"), path.stat().st_mtime_ns
    other.write_bytes(b"FLAT")
    os.utime(other, ns=(mtime, mtime))
    other.rename(path)


def grow(path: Path) -> None:
    """Add a byte."""
    path.write_bytes(b"flat+")


@pytest.mark.parametrize("change", [touch, restore_mtime, swap, grow, Path.unlink])
def test_a_file_that_was_written_to_is_not_taken_as_verified(flat, change):
    """Size, mtime, inode and ctime all count."""
    verified = VerifiedFile.of(flat)
    before = verified.is_unchanged(flat)

    change(flat)

    assert before
    assert not verified.is_unchanged(flat)


@pytest.mark.parametrize("field", ["size", "mtime_ns", "inode", "ctime_ns"])
def test_each_part_of_the_stamp_counts(flat, field):
    """A record that differs in one of them is of another state of the file."""
    verified = VerifiedFile.of(flat)

    other = replace(verified, **{field: getattr(verified, field) + 1})

    assert verified.is_unchanged(flat)
    assert not other.is_unchanged(flat)


def test_a_touched_file_of_the_same_bytes_is_verified_again(flat):
    """A copied cache is hashed once, and not fetched."""
    verified = VerifiedFile.of(flat)
    touch(flat)

    again = verified.verified_again(flat)

    assert again.is_unchanged(flat) and again.sha1 == verified.sha1
    restore_mtime(flat)
    assert again.verified_again(flat) is None
    flat.unlink()
    assert again.verified_again(flat) is None


def test_the_hash_of_a_changed_reference_is_that_of_its_bytes(flat, tmp_path):
    """Not the recorded one; a verified one is not read again, and a missing one has none."""
    verified = replace(VerifiedFile.of(flat), sha1="as recorded")
    write_verified(tmp_path, VerifiedCache(files={NAME: verified}))
    hashes = CacheHashes(tmp_path)
    recorded = hashes.sha1_of(NAME)

    restore_mtime(flat)

    assert recorded == "as recorded"
    assert hashes.sha1_of(NAME) == sha1(b"FLAT").hexdigest()
    assert hashes.sha1_of("jwst_nircam_dark_0001.fits") == ""


def test_the_record_comes_back_and_a_damaged_one_is_empty(tmp_path):
    """Then every file is verified again."""
    record = VerifiedCache(files={NAME: VerifiedFile(1, 2, "s", 3, 4)}, contexts={"c": ("m",)})
    write_verified(tmp_path, record)
    whole = read_verified(tmp_path)
    (path,) = tmp_path.rglob("jwmirror_verified.json")
    path.write_text("{")

    assert whole == record
    assert read_verified(tmp_path) == VerifiedCache()
    assert read_verified(tmp_path / "elsewhere") == VerifiedCache()


def test_a_restricted_record_has_one_context_and_its_files():
    """Of two contexts and three files."""
    file = VerifiedFile(1, 2, "s")
    record = VerifiedCache(
        files={"m1": file, "m2": file, NAME: file}, contexts={"c1": ("m1",), "c2": ("m2",)}
    )

    assert record.restricted(["c1"], [NAME]) == VerifiedCache(
        files={"m1": file, NAME: file}, contexts={"c1": ("m1",)}
    )


def test_a_written_configuration_makes_the_cache_usable_offline(tmp_path):
    """Before that, it is not."""
    before = has_config(tmp_path)

    write_config(tmp_path, {"latest_context": "jwst_1.pmap"})

    assert (before, has_config(tmp_path)) == (False, True)
