"""The disk gate: what would not fit is refused before the first byte, with figures."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Orders
from jwmirror.store import disk_space
from jwmirror.store.disk_space import check_room, quota_left
from tests.setup.records import product

HUGE = 10**18  # bytes


def orders(*sizes: int | None) -> Orders:
    """Orders for files of these sizes, each in an order of its own."""
    products = [product(f"{number}_cal.fits", size=size) for number, size in enumerate(sizes)]
    return Orders(products={f"jw01345-o{n}.a": (each,) for n, each in enumerate(products)})


def quota_program(folder: Path, told: str) -> None:
    """A `quota` that says what is told."""
    program = folder / "quota"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{told}\nEND\n")
    program.chmod(0o755)


def test_what_fits_may_be_fetched(tmp_path):
    """Room for the files and the reserve lets a mirror that is not there yet begin."""
    check_room(tmp_path / "mirror", orders(1000, None), keep_free=1000)


@pytest.mark.parametrize(("sizes", "keep_free"), [((HUGE, HUGE), 0), ((1000,), HUGE)])
def test_what_does_not_fit_is_refused_with_figures(tmp_path, sizes, keep_free):
    """The sum of all orders and the reserve are compared with what is free."""
    with pytest.raises(StoreError, match="too little; nothing was downloaded") as caught:
        check_room(tmp_path / "mirror", orders(*sizes), keep_free)

    assert f"{len(sizes)} files of {sum(sizes) / 1e9:.3f} GB" in str(caught.value)
    assert "archive.keep_free_gb" in str(caught.value)


def test_nothing_ordered_needs_no_room(tmp_path):
    """A run that fetches nothing goes on, however full the disk is."""
    check_room(tmp_path, orders(), keep_free=HUGE)


def test_a_quota_counts_where_it_is_less_than_the_disk(tmp_path, monkeypatch):
    """What `quota` leaves to the user, in its blocks of 1,024 bytes, bounds the room too."""
    quota_program(
        tmp_path,
        "Disk quotas for user ann (uid 1000): \n"
        "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
        "      /dev/sda1     900    1000    1100       0       7       0       0       0",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    left = quota_left(tmp_path)
    with pytest.raises(StoreError, match="left of your quota"):
        check_room(tmp_path, orders(200 * 1024 + 1), keep_free=0)

    assert left == 200 * 1024


@pytest.mark.parametrize("told", ["Disk quotas for user ann (uid 1000): none", "", "quota: error"])
def test_no_quota_is_no_limit(tmp_path, monkeypatch, told):
    """Where `quota` tells of none, only the disk counts."""
    quota_program(tmp_path, told)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert quota_left(tmp_path) is None


def test_free_space_is_that_of_the_mirror_s_disk(tmp_path):
    """Just what is free fits, and a little more does not."""
    free = shutil.disk_usage(tmp_path).free

    check_room(tmp_path, orders(free // 2), keep_free=0)
    with pytest.raises(StoreError):
        check_room(tmp_path, orders(free // 2), keep_free=free)


HEAD = "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"


@pytest.mark.parametrize(
    ("rows", "blocks"),
    [
        (["900 1000 1100"], 200),
        (["900 1000 0"], 100),
        (["900* 800 0"], 0),
        (["900 0 0"], None),
        (["900 0 1100", "900 0 1000"], 100),
        (["900 0 0", "1 0 2"], 1),
    ],
)
def test_the_least_that_any_quota_leaves_counts(tmp_path, monkeypatch, rows, blocks):
    """The hard limit, else the soft one; no limit is no row; less than nothing is nothing."""
    lines = [f"  /dev/sda{n} {row}  0  7  0  0  0" for n, row in enumerate(rows)]
    quota_program(tmp_path, HEAD + "\n".join(lines))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    left = quota_left(tmp_path)

    assert left == (None if blocks is None else blocks * 1024)


def test_quota_is_asked_for_one_file_system_and_not_waited_for(tmp_path, monkeypatch):
    """It may hang where a server does not answer."""
    asked = []

    def hang(words, **options):
        asked.append((words, options["timeout"], options["stdin"]))
        raise subprocess.TimeoutExpired(words, 10)

    monkeypatch.setattr(disk_space.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(disk_space.subprocess, "run", hang)

    assert quota_left(tmp_path) is None
    options = ["--no-wrap", "--raw-grace", "--filesystem", str(tmp_path)]
    assert asked == [(["/bin/quota", *options], disk_space.QUOTA_S, subprocess.DEVNULL)]
    monkeypatch.setattr(disk_space.shutil, "which", lambda name: None)
    assert quota_left(tmp_path) is None and len(asked) == 1


def test_what_just_fits_fits_and_the_error_has_all_figures(tmp_path, monkeypatch):
    """Files of unknown size are named where there are some."""
    limits = [(3_000_000_000, "free on the disk of X"), (2_000_000_000, "left of your quota there")]
    monkeypatch.setattr(disk_space, "_limits", lambda mirror: limits)
    check_room(tmp_path, orders(1_500_000_000, None), keep_free=500_000_000)

    with pytest.raises(StoreError) as raised:
        check_room(tmp_path, orders(1_500_000_000, None), keep_free=1_500_000_000)
    assert str(raised.value).startswith(
        f"room for {tmp_path}: 2 files of 1.500 GB and 1 files of unknown size are ordered, and "
        "1.500 GB are to stay free (archive.keep_free_gb); left of your quota there is 2.000 GB, "
        "1.000 GB too little;"
    )
    with pytest.raises(StoreError, match=r"1 files of 2\.001 GB are ordered"):
        check_room(tmp_path, orders(2_001_000_000), keep_free=0)


def test_the_limit_of_a_disk_is_that_of_the_nearest_folder(tmp_path, monkeypatch):
    """As the mirror may not be there yet; only space that this user may use counts."""
    monkeypatch.setattr(disk_space, "quota_left", lambda folder: 7)
    status = os.statvfs(tmp_path)

    (free, where), quota = disk_space._limits(tmp_path / "a" / "b")

    assert abs(free - status.f_bavail * status.f_frsize) < 1 << 30
    assert where == f"free on the disk of {tmp_path}"
    assert quota == (7, "left of your quota there")
