"""Checkouts: any generation, whole, in any folder; and which one was current when."""

import errno
import os
import re
import shutil
import stat
from datetime import datetime
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.files import locked
from jwmirror.core.folders import new_folder
from jwmirror.core.model import Product
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance import checkout
from jwmirror.store.maintenance.checkout import MODES, check_out
from jwmirror.store.maintenance.lookup import generation_at, moment_of
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.objects import Objects
from jwmirror.store.pins import read_pins, remove_pin
from tests.setup.command_line import run
from tests.setup.mirrors import store_row

PATHS = ("upstream/jw01345/o001/a", "upstream/jw01345/o001/b")


@pytest.fixture(autouse=True)
def two_generations(mirror: Path) -> None:
    """A mirror of two generations; b is of exclusive access."""
    product = Product(
        uri="u", filename="b", program=1345, observation="o001", suffix="uncal", exclusive=True
    )
    hidden = store_row(mirror, "b", b"hidden", product=product)
    for data in (b"1", b"one"):
        Generations(mirror).publish([store_row(mirror, "a", data), hidden], "run", {})


def shown(folder: Path) -> dict[str, bytes]:
    """What a reader finds in a folder: path -> bytes."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "reflink"])
def test_an_old_state_stands_beside_the_current_one(mirror, tmp_path, mode):
    """Every file of the generation is there, however it got there."""
    done = check_out(mirror, 1, tmp_path / "old", mode)

    assert shown(tmp_path / "old") == dict(zip(PATHS, (b"1", b"hidden"), strict=True))
    assert (done.generation, done.files, done.bytes) == (1, 2, 7)
    assert sorted(os.listdir(tmp_path)) == ["mirror", "old"]


def test_links_are_kept_by_a_pin_until_it_is_removed(mirror, tmp_path):
    """Prune would remove the files that the links point to."""
    done = check_out(mirror, 1, tmp_path / "old")

    prune(mirror, RetentionPolicy(keep_last=1))
    assert shown(tmp_path / "old")[PATHS[0]] == b"1"
    (pin,) = read_pins(mirror)
    assert (pin.name, pin.kind, pin.place) == (done.name, "checkout", str(tmp_path / "old"))

    remove_pin(mirror, done.name)
    prune(mirror, RetentionPolicy(keep_last=1))
    assert not (tmp_path / "old" / PATHS[0]).exists()


def test_each_folder_of_links_has_a_pin(mirror, tmp_path):
    """Deleting one of them does not affect another."""
    pins = {check_out(mirror, 1, tmp_path / name).name for name in ("one", "two")}

    assert {pin.name for pin in read_pins(mirror)} == pins
    assert len(pins) == 2


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_what_outlives_a_prune_gets_no_pin(mirror, tmp_path, mode):
    """Copies and hard links do not need the mirror's files."""
    done = check_out(mirror, 1, tmp_path / "old", mode)

    assert (done.name, read_pins(mirror)) == ("", ())


def test_links_into_a_mirror_that_one_only_reads_have_no_pin(mirror, tmp_path, monkeypatch):
    """The page says that they will dangle."""
    monkeypatch.setattr(checkout.os, "access", lambda path, mode: mode != os.W_OK)

    page = run("checkout", 1, "--to", tmp_path / "old", "--mirror", mirror)

    assert "the links dangle when its owner prunes it" in " ".join(page.split())
    assert read_pins(mirror) == ()


def test_a_failed_checkout_leaves_no_pin(mirror, tmp_path, monkeypatch):
    """Neither the folder nor the name is there."""

    def fail(*arguments: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(checkout, "place_files", fail)

    with pytest.raises(StoreError, match="no space"):
        check_out(mirror, 1, tmp_path / "old")

    assert read_pins(mirror) == ()


def test_a_checkout_in_the_mirror_moves_with_it(mirror):
    """Its links are relative."""
    check_out(mirror, 1, mirror / "releases" / "first")

    moved = mirror.rename(mirror.with_name("elsewhere"))

    assert (moved / "releases/first" / PATHS[0]).read_bytes() == b"1"


def test_copies_are_the_readers_own(mirror, tmp_path):
    """They can be written to; what is exclusive is for its owner alone."""
    check_out(mirror, 1, tmp_path / "copy", "copy")

    modes = [stat.S_IMODE((tmp_path / "copy" / path).stat().st_mode) for path in PATHS]
    assert modes == [0o644, 0o600]
    (tmp_path / "copy" / PATHS[0]).write_bytes(b"edited")
    objects = Objects(mirror).folder.glob("??/*")
    assert b"edited" not in {each.read_bytes() for each in objects}


def test_reflinks_are_made_or_refused_with_the_next_step(mirror, tmp_path):
    """Where the file system cannot share blocks, nothing is left, and copies are named instead."""
    try:
        check_out(mirror, 1, tmp_path / "clone", "reflink")
    except StoreError as err:
        assert "use --mode copy" in str(err)
        assert os.listdir(tmp_path) == ["mirror"]
    else:
        assert shown(tmp_path / "clone") == dict(zip(PATHS, (b"1", b"hidden"), strict=True))


@pytest.mark.parametrize(
    "place",
    ["mirror", "mirror/objects/x", "mirror/current/x", "mirror/work", "alias/objects/x", "full"],
)
def test_folders_in_use_are_refused(mirror, tmp_path, place):
    """Neither the store's own folders nor one with something in it is written to."""
    (tmp_path / "full").mkdir()
    (tmp_path / "alias").symlink_to("mirror")
    (tmp_path / "full" / "mine").touch()

    with pytest.raises(StoreError, match="nothing was written"):
        check_out(mirror, 1, tmp_path / place)

    assert os.listdir(tmp_path / "full") == ["mine"]


def test_an_empty_folder_is_filled_and_a_plan_leaves_it(mirror, tmp_path):
    """A plan checks the same, and writes nothing."""
    (tmp_path / "old").mkdir()
    assert check_out(mirror, 1, tmp_path / "old", dry_run=True).files == 2
    assert os.listdir(tmp_path / "old") == []

    check_out(mirror, 1, tmp_path / "old")

    assert len(shown(tmp_path / "old")) == 2


def test_a_day_means_its_end_and_a_time_is_utc():
    """As people mean it who say a day."""
    assert moment_of("2026-03-01").isoformat() == "2026-03-01T23:59:59.999999+00:00"
    assert moment_of("2026-03-01T12:30").isoformat() == "2026-03-01T12:30:00+00:00"
    assert moment_of("2026-03-01T12:30+02:00").utcoffset().seconds == 7200
    with pytest.raises(StoreError, match="expected a day"):
        moment_of("yesterday")


def publish_at(mirror: Path, monkeypatch, day: str, data: bytes) -> None:
    """Publish a state on a day."""

    class Clock(datetime):
        """A clock that stands still."""

        @classmethod
        def now(cls, tz=None):
            return datetime.fromisoformat(f"{day}T12:00:00+00:00")

    monkeypatch.setattr("jwmirror.store.rows.description.datetime", Clock)
    Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})


def test_the_state_of_a_day_is_found_along_the_line_of_parents(tmp_path, monkeypatch):
    """What a rollback left behind was not the state of any later day."""
    mirror = tmp_path / "dated"
    for day, data in (("2026-03-01", b"1"), ("2026-03-05", b"2"), ("2026-03-06", b"bad")):
        publish_at(mirror, monkeypatch, day, data)
    roll_back(mirror, 2)
    publish_at(mirror, monkeypatch, "2026-03-09", b"4")

    found = [generation_at(mirror, moment_of(f"2026-03-{day}")).number for day in
             ("01", "04", "05", "08", "09", "31")]  # fmt: skip

    assert found == [1, 1, 2, 2, 4, 4]
    with pytest.raises(StoreError, match="nothing was published yet; its first generation"):
        generation_at(mirror, moment_of("2026-02-28"))


def test_an_object_that_is_missing_is_told(mirror, tmp_path):
    """A checkout is whole or is not there."""
    first = Generations(mirror).read(1).entries()[0]
    Objects(mirror).path(first.sha256).unlink()

    with pytest.raises(StoreError, match="1 of 2 stored files are missing"):
        check_out(mirror, 1, tmp_path / "old", "copy")

    assert not (tmp_path / "old").exists()


OWN = [
    *("objects", "generations", "views", "provenance", "pins", "locks", "losses", "current"),
    *("accepted", "invalidated", "hold.json", "receipts", "logs", "work", "quarantine", "reports"),
    *("site", "site-exclusive"),
]


@pytest.mark.parametrize("place", ["", "objects/x", "generations/000001", *OWN])
def test_a_checkout_into_the_mirror_s_own_folders_is_refused(mirror, place):
    """Also through a link, and in a dry run."""
    link = mirror.parent / "link"
    link.symlink_to(mirror)

    for root, dry_run in ((mirror, True), (link, False)):
        with pytest.raises(StoreError, match="belongs to the mirror itself"):
            check_out(mirror, 1, root / place, dry_run=dry_run)


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_already_is_not_overwritten(mirror, tmp_path, kind):
    """Only an empty folder is used."""
    to = tmp_path / "to"
    if kind == "folder":
        to.mkdir()
        (to / "mine").write_text("mine")
    else:
        to.write_text("mine") if kind == "file" else to.symlink_to("nowhere")

    with pytest.raises(StoreError, match="is not there yet or is empty"):
        check_out(mirror, 1, to, dry_run=True)

    to.unlink() if kind != "folder" else (to / "mine").unlink()
    check_out(mirror, 1, to, "copy")
    assert to.stat().st_mode & 0o777 == 0o755


def test_a_copy_is_private_until_it_has_the_mode_of_its_object(mirror, tmp_path, monkeypatch):
    """Then its owner may write, and others may do what they may do with the object."""
    modes, copyfile = [], checkout.shutil.copyfile

    def watched(source, file):
        modes.append(Path(file).stat().st_mode & 0o777)
        return copyfile(source, file)

    monkeypatch.setattr(checkout.shutil, "copyfile", watched)
    handles = len(os.listdir("/proc/self/fd"))
    check_out(mirror, 1, tmp_path / "out", "copy")

    after = [(tmp_path / "out" / path).stat().st_mode & 0o777 for path in PATHS]
    assert modes == [0o600, 0o600]
    assert after == [0o644, 0o600]
    assert len(os.listdir("/proc/self/fd")) == handles


def test_links_to_what_became_exclusive_are_not_open(mirror, tmp_path):
    """An older version of jwmirror may have left the object readable by all."""
    (hidden,) = (row for row in Generations(mirror).entries() if row.filename == "b")
    Objects(mirror).open_to_all(hidden.sha256)

    check_out(mirror, 1, tmp_path / "out", "hardlink")

    assert (tmp_path / "out" / hidden.path).stat().st_mode & 0o777 == 0o400


def test_what_a_killed_checkout_left_is_removed_by_the_next(mirror, tmp_path):
    """One that is under way is not."""
    dead, alive = (tmp_path / f".out.unfinished-{name}" for name in ("dead", "alive"))
    dead.mkdir()
    alive.mkdir()

    with locked(alive):
        check_out(mirror, 1, tmp_path / "out", "copy")

    assert (dead.exists(), alive.exists()) == (False, True)


def test_a_checkout_is_described_field_by_field(mirror, tmp_path):
    """The same before and after; sizes are in bytes."""
    made_at = Generations(mirror).read(1).made_at
    plan = check_out(mirror, 1, tmp_path / "old", dry_run=True)

    done = check_out(mirror, 1, tmp_path / "old")

    assert done == plan
    assert (done.mirror, done.generation, done.made_at) == (str(mirror), 1, made_at)
    assert (done.to, done.mode) == (str(tmp_path / "old"), "symlink")
    assert (done.files, done.bytes, done.lost) == (2, 7, ())
    assert re.fullmatch(r"checkout-000001-[0-9a-f]{8}", done.name)


def test_links_are_absolute_outside_the_mirror_and_relative_within(mirror, tmp_path, monkeypatch):
    """Also where folder and mirror are given by relative paths."""
    monkeypatch.chdir(tmp_path)
    row = Generations(mirror).read(1).entries()[0]

    check_out(Path("mirror"), 1, Path("old"))
    check_out(Path("mirror"), 1, Path("mirror/mine/old"))

    assert os.readlink(tmp_path / "old" / row.path) == str(Objects(mirror).path(row.sha256))
    target = f"../../../../../objects/{row.sha256[:2]}/{row.sha256}"
    assert os.readlink(mirror / "mine/old" / row.path) == target
    assert {pin.place for pin in read_pins(mirror)} == {
        str(tmp_path / "old"), str(mirror / "mine/old")
    }  # fmt: skip


def test_copies_of_what_a_group_may_read_have_its_group(mirror, tmp_path, monkeypatch):
    """Others' files keep the group of the user."""
    (hidden,) = (row for row in Generations(mirror).entries() if row.filename == "b")
    Objects(mirror).path(hidden.sha256).chmod(0o440)
    monkeypatch.setattr(Objects, "restrict_open", lambda self, names: False)
    given = []
    monkeypatch.setattr(checkout.os, "chown", lambda file, *owner: given.append((file.name, owner)))

    check_out(mirror, 1, tmp_path / "copy", "copy")

    group = Objects(mirror).path(hidden.sha256).stat().st_gid
    assert given == [("b", (-1, group))]
    assert (tmp_path / "copy" / hidden.path).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.EXDEV, "it cannot have hardlinks of this mirror's files: use --mode copy"),
        (errno.EOPNOTSUPP, "use --mode copy"),
        (errno.ENOTTY, "use --mode copy"),
        (errno.EINVAL, "use --mode copy"),
        (errno.EPERM, "use --mode copy"),
        (errno.ENOENT, "its stored file is gone: was the generation pruned meanwhile?"),
        (errno.ENOSPC, "make room, and try again"),
    ],
)
def test_a_refusal_names_the_next_step(mirror, tmp_path, monkeypatch, number, step):
    """By the reason of the disk; nothing is left."""

    def refuse(source, file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkout.os, "link", refuse)
    with pytest.raises(StoreError) as raised:
        check_out(mirror, 1, tmp_path / "old", "hardlink")

    assert str(raised.value).startswith(f"{PATHS[0]} in {tmp_path / 'old'}: {os.strerror(number)}")
    assert str(raised.value).endswith(f"nothing was left there; {step}.") or step[:3] == "use"
    assert step in str(raised.value) and os.listdir(tmp_path) == ["mirror"]


def test_a_pin_that_was_there_before_stays_when_a_checkout_fails(mirror, tmp_path, monkeypatch):
    """The links of before need it."""
    done = check_out(mirror, 1, tmp_path / "old")
    shutil.rmtree(tmp_path / "old")

    def fail(*arguments: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(checkout, "place_files", fail)
    with pytest.raises(StoreError, match="no space"):
        check_out(mirror, 1, tmp_path / "old")

    assert [pin.name for pin in read_pins(mirror)] == [done.name]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o700), (0o002, 0o775), (0o027, 0o750)])
def test_a_new_folder_gets_the_mode_that_the_umask_gives(tmp_path, umask, mode):
    """Not an open one if the user's files are private, and a group can write if it may."""
    before = os.umask(umask)
    try:
        with new_folder(tmp_path / "new") as folder:
            unfinished = folder.stat().st_mode & 0o777
    finally:
        os.umask(before)

    assert (unfinished, (tmp_path / "new").stat().st_mode & 0o777) == (0o700, mode)


def test_a_folder_under_way_has_a_hidden_name_beside_its_own(tmp_path):
    """With at most 60 characters of it, taken literally; folders above are made."""
    name = "[a]" + "x" * 80
    other = tmp_path / "deep" / f".a{'x' * 57}.unfinished-other"
    other.mkdir(parents=True)

    with new_folder(tmp_path / "deep" / name) as folder:
        assert folder.parent == tmp_path / "deep"
        assert folder.name.startswith(f".{name[:60]}.unfinished-")
        assert folder.stat().st_mode & 0o777 == 0o700

    assert other.exists() and (tmp_path / "deep" / name).stat().st_mode & 0o777 == 0o755
