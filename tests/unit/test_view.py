"""The view: relative symlinks, whole under its name, and no more of them than wanted."""

import os

import pytest

from jwmirror.store.view import build_view, remove_views, view_folder
from tests.setup.mirrors import store_row


def test_every_row_is_readable_at_its_path(mirror):
    """A row's path below the view opens the row's bytes, however deep it lies."""
    rows = [
        store_row(mirror, "top.json", b"1", folder=""),
        store_row(mirror, "deep.fits", b"2"),
    ]

    view = build_view(mirror, 7, rows)

    assert view == mirror / "views" / "000007"
    assert (view / "top.json").read_bytes() == b"1"
    assert (view / "upstream/jw01345/o001/deep.fits").read_bytes() == b"2"


def test_a_moved_mirror_still_reads(mirror):
    """Links are relative, so the whole mirror can be moved."""
    build_view(mirror, 7, [store_row(mirror, "a.fits", b"ramp")])

    moved = mirror.rename(mirror.with_name("elsewhere"))

    assert (moved / "views/000007/upstream/jw01345/o001/a.fits").read_bytes() == b"ramp"


def test_two_builders_of_one_view_agree(mirror):
    """When another process was first with the same view, its view is as good."""
    rows = [store_row(mirror, "a", b"1", folder="")]

    def overtaken():
        yield from rows
        build_view(mirror, 7, rows)

    view = build_view(mirror, 7, overtaken())

    assert (view / "a").read_bytes() == b"1"
    assert list((mirror / "views").iterdir()) == [view]


def test_a_view_that_cannot_be_built_leaves_nothing(mirror):
    """A build that fails midway leaves no folder, under no name."""
    rows = [store_row(mirror, "a", b"1", folder=""), store_row(mirror, "b", b"2", folder="")]

    with pytest.raises(FileExistsError):
        build_view(mirror, 7, [*rows, rows[0]])

    assert list((mirror / "views").iterdir()) == []


def test_old_views_and_leftovers_go(mirror):
    """Only the kept views stay; what killed builds left goes; a newer build is let be."""
    for number in (1, 2, 3):
        build_view(mirror, number, [store_row(mirror, "a", b"1", folder="")])
    (mirror / "views" / ".000003.torn").mkdir()
    (mirror / "views" / ".000004.at-work").mkdir()

    remove_views(mirror, {2, 3})

    assert sorted(os.listdir(mirror / "views")) == [".000004.at-work", "000002", "000003"]
    assert view_folder(mirror, 3).is_dir()
