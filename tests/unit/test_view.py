"""The view: relative symlinks, whole under its name, and no more of them than wanted."""

import os
import shutil
from pathlib import Path

import pytest

from jwmirror.store import view as views
from jwmirror.store.manifest import entries_of
from jwmirror.store.view import (
    SpareView,
    build_view,
    folders_of,
    is_untouched,
    link_target,
    links_of,
    remove_views,
    view_folder,
)
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


def test_the_parts_of_a_view_are_known_without_one():
    """Folders with all above them; links that are as deep as their files; rows in both forms."""
    assert folders_of(["a/b/c", "a/d", "e"]) == {".", "a", "a/b"}
    assert folders_of([]) == {"."}
    assert link_target("a/b", "0123") == "../../../objects/01/0123"
    assert link_target("a", "0123") == "../../objects/01/0123"


def test_links_are_the_same_of_rows_and_of_columns(mirror):
    """To read columns is faster."""
    rows = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"2")]

    expected = [(row.path, row.sha256) for row in rows]
    assert links_of(rows) == links_of(entries_of(rows)) == expected


def test_a_view_s_folders_have_the_time_of_its_number(mirror):
    """A second after 2000-01-01 for each; a change of a folder shows in it."""
    view = build_view(mirror, 7, [store_row(mirror, "a", b"1")])

    for folder in (view, view / "upstream", view / "upstream/jw01345/o001"):
        assert folder.stat().st_mtime == 946_684_800 + 7
        assert is_untouched(str(folder), 7) is True
        assert is_untouched(str(folder), 8) is False
    (view / "upstream" / "mine").touch()
    assert is_untouched(str(view / "upstream"), 7) is False
    assert is_untouched(str(view / "none"), 7) is False
    assert view.stat().st_mode & 0o777 == 0o755


def test_only_numbered_folders_up_to_the_newest_kept_are_removed(mirror, monkeypatch):
    """In whatever order they are listed; renamed first, so that a numbered one is complete."""
    for name in ("000001", "000002", "000003", "000004", "notes", ".000002.torn", ".notes"):
        (mirror / "views" / name).mkdir(parents=True)
    listed, removed, remove = Path.iterdir, [], shutil.rmtree
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(sorted(listed(folder))))

    def watched(path, **options):
        removed.append(path.name)
        remove(path, **options)

    monkeypatch.setattr(views.shutil, "rmtree", watched)
    remove_views(mirror, {1, 3})

    left = sorted(os.listdir(mirror / "views"))
    assert left == [".notes", "000001", "000003", "000004", "notes"]
    assert sorted(removed) == [".000002.dropped", ".000002.torn"]
    remove_views(mirror, set())
    assert sorted(os.listdir(mirror / "views")) == left
    remove_views(mirror / "none", {1})


def test_a_view_that_another_process_removes_is_no_error(mirror, monkeypatch):
    """Both want it removed."""
    for number in (1, 2):
        (mirror / f"views/{number:06d}").mkdir(parents=True)

    def vanish(path, target):
        os.rmdir(path)
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(Path, "rename", vanish)
    remove_views(mirror, {2})

    assert os.listdir(mirror / "views") == ["000002"]


MADE = "recalibrated/deep/jw01345/o001"


def spare(mirror) -> tuple[SpareView, list]:
    """The view of three rows, and those rows."""
    rows = [
        store_row(mirror, "a", b"1"),
        store_row(mirror, "b", b"2"),
        store_row(mirror, "c", b"3", folder=MADE),
    ]
    build_view(mirror, 1, rows)
    return SpareView(1, entries_of(rows)), rows


def seen(view: Path) -> dict[str, bytes]:
    """The files that a view shows."""
    return {str(p.relative_to(view)): p.read_bytes() for p in view.rglob("*") if p.is_symlink()}


def test_a_spare_view_is_changed_where_it_differs(mirror):
    """Equal links stay, empty folders go, and all folders have the new time."""
    old, rows = spare(mirror)
    link = mirror / "views/000001" / rows[0].path
    inode = link.lstat().st_ino
    new = [rows[0], store_row(mirror, "b", b"two"), store_row(mirror, "d", b"4", folder="other")]

    view = build_view(mirror, 2, new, old)

    assert seen(view) == {rows[0].path: b"1", rows[1].path: b"two", "other/d": b"4"}
    assert (view / rows[0].path).lstat().st_ino == inode
    assert sorted(os.listdir(view)) == ["other", "upstream"]
    assert os.listdir(mirror / "views") == ["000002"]
    assert all(is_untouched(str(view / folder), 2) for folder in folders_of(seen(view)))


@pytest.mark.parametrize("damage", ["touched", "incomplete", "gone"])
def test_a_spare_view_that_is_not_as_it_was_built_is_not_used(mirror, damage):
    """The new one is made from nothing."""
    old, rows = spare(mirror)
    folder = (mirror / "views/000001" / rows[0].path).parent
    if damage == "touched":
        (folder / "mine").symlink_to("nowhere")
    elif damage == "incomplete":
        (folder / "b").unlink()
        os.utime(folder, (946_684_801, 946_684_801))
    else:
        shutil.rmtree(mirror / "views/000001")

    view = build_view(mirror, 2, [rows[0]], old)

    assert seen(view) == {rows[0].path: b"1"}
    assert sorted(os.listdir(mirror / "views")) == ["000001"] * (damage == "touched") + ["000002"]


def test_a_view_that_is_there_is_not_changed(mirror):
    """It is complete, whatever rows are given."""
    rows = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"2")]
    build_view(mirror, 1, rows[:1])

    assert build_view(mirror, 1, rows) == mirror / "views/000001"
    assert list(seen(mirror / "views/000001")) == [rows[0].path]
