"""Adoption: what is MAST's own comes in without a download, and the rest is told with why."""

import os
import shutil
from pathlib import Path

import pytest

from jwmirror.archive.poll import group_into_orders, poll
from jwmirror.core.model import Selection, Version
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.adopt import adopt
from jwmirror.store.runs import fetched_versions, upstream_after
from tests.setup.command_line import answer, run
from tests.setup.records import product

CONFIG = """
mirror: {root}
archive: {{url: "{url}"}}
references: {{url: "http://localhost:1"}}
programs: [{{program: 1345}}]
"""


def test_what_is_masts_own_needs_no_download(archive, toys, tmp_path):
    """Good files are adopted once and published; edited, cut and strange ones are told with why."""
    root, mine, config = tmp_path / "mirror", tmp_path / "mine", tmp_path / "config.yaml"
    config.write_text(CONFIG.format(root=root, url=archive.url))
    (mine / "deep").mkdir(parents=True)
    for path in toys.glob("jw*"):
        shutil.copy(path, mine / "deep")
    edited, cut = sorted((mine / "deep").glob("*_uncal.fits"))[:2]
    edited.write_bytes(edited.read_bytes()[:-1] + b"!")
    cut.write_bytes(cut.read_bytes()[:100])
    (mine / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    plan = answer("adopt", mine, "--dry-run", "--config", config)
    assert not (root / "objects").exists()

    done = answer("adopt", mine, "--config", config)

    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before
    assert plan["files"] == done["files"]
    why = {each["file"]: each["why"] for each in done["files"]}
    assert why[str(edited)].startswith("md5: expected")
    assert why[str(cut)].startswith("size: expected")
    assert "no product of that name" in why[str(mine / "notes.txt")]
    adopted = {each["file"].rpartition("/")[2] for each in done["files"] if each["is_adopted"]}
    assert adopted
    assert archive.downloads(sorted(adopted)[0]) == []
    found = poll(archive.url, [Selection(program=1345)], (), None, 2)
    ordered = {
        p.filename
        for each in group_into_orders(found, fetched_versions(root)).products.values()
        for p in each
    }
    assert {edited.name, cut.name} <= ordered and not ordered & adopted
    Generations(root).publish(upstream_after(root, found), "first", {})
    assert {entry.filename for entry in Generations(root).entries()} == adopted
    again = run("adopt", mine, "--all", "--config", config)
    assert "0 files of 0 B adopted" in again
    assert "the mirror already has MAST's version" in again


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_read_is_told_and_the_rest_go_on(tmp_path, dry_run):
    """A pipe, a link to nothing, a folder of a product's name and a file that gives no bytes."""
    mine, into = tmp_path / "mine", None if dry_run else tmp_path / "into"
    (mine / "folder").mkdir(parents=True)
    (tmp_path / "into").mkdir()
    os.mkfifo(mine / "a_pipe")
    (mine / "broken").symlink_to("nothing")
    (mine / "memory").symlink_to("/proc/self/mem")  # its first byte is an I/O error
    (mine / "whole").write_bytes(b"whole")
    names = ("a_pipe", "broken", "folder", "memory", "whole")
    wanted = {name: product(name, b"whole") for name in names}

    done = adopt(
        tmp_path / "mirror",
        mine,
        wanted,
        (),
        lambda product, path, sha256, size: Version(product=product, sha256=sha256, size=size),
        lambda path, name: None,
        into,
    )

    why = {Path(each.file).name: each.why for each in done.files}
    assert why.keys() == {"a_pipe", "broken", "memory", "whole"}
    assert "expected a file" in why["a_pipe"] and "expected a file" in why["broken"]
    assert why["memory"] == "cannot be read: Input/output error"
    assert why["whole"] == "" and done.bytes == 5
    assert [version.product.filename for version in fetched_versions(tmp_path / "mirror")] == (
        [] if dry_run else ["whole"]
    )
    assert list((tmp_path / "into").iterdir()) == []
