"""The disk gate: what would not fit is refused before the first byte, with figures."""

import os
import shutil
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Orders
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
