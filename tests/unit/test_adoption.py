"""Adoption: what is MAST's own comes in without a download, and the rest is told with why."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.archive.poll import group_into_orders, poll
from jwmirror.core.errors import RejectedError, StoreError
from jwmirror.core.model import Product, Receipt, Selection, Version, read
from jwmirror.core.model.maintenance import AdoptionReport
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.adopt import adopt, check_folder
from jwmirror.store.objects import Objects
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


def adopt_from(folder: Path, wanted: dict[str, Product], into: Path | None) -> AdoptionReport:
    """Adopt files into the mirror beside `folder`, whatever their content."""
    return adopt(
        folder.parent / "mirror",
        folder,
        wanted,
        (),
        lambda product, path, sha256, size: Version(product=product, sha256=sha256, size=size),
        lambda path, name: None,
        into,
    )


@pytest.mark.timeout(30)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_file_of_another_size_is_not_read(tmp_path, dry_run):
    """A sparse file of 100 GB is neither copied nor hashed."""
    mine, into = tmp_path / "mine", None if dry_run else tmp_path / "into"
    mine.mkdir()
    (tmp_path / "into").mkdir()
    with open(mine / "sparse", "wb") as file:
        file.truncate(10**11)

    done = adopt_from(mine, {"sparse": product("sparse", b"whole")}, into)

    assert [file.why for file in done.files] == ["size: expected 5 bytes, found 100000000000"]


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
    wanted["memory"] = product("memory", b"whole", size=0)

    done = adopt_from(mine, wanted, into)

    why = {Path(each.file).name: each.why for each in done.files}
    assert why.keys() == {"a_pipe", "broken", "memory", "whole"}
    assert "expected a file" in why["a_pipe"] and "expected a file" in why["broken"]
    assert why["memory"] == "cannot be read: Input/output error"
    assert why["whole"] == "" and done.bytes == 5
    assert [version.product.filename for version in fetched_versions(tmp_path / "mirror")] == (
        [] if dry_run else ["whole"]
    )
    assert list((tmp_path / "into").iterdir()) == []


WHOLE = product("whole_rate.fits", b"whole")
SHA256 = f"sha256:{hashlib.sha256(b'whole').hexdigest()}"
CASES = {
    "as listed": (WHOLE, b"whole", ""),
    "of unknown size": (structs.replace(WHOLE, size=None), b"whole", ""),
    "another size": (WHOLE, b"whole+", "size: expected 5 bytes, found 6"),
    "other bytes": (WHOLE, b"WHOLE", "md5: expected"),
    "by its validator": (structs.replace(WHOLE, checksum=None, validator=SHA256), b"whole", ""),
    "not its validator": (
        structs.replace(WHOLE, checksum=None, validator=SHA256), b"WHOLE", "sha256: expected",
    ),
    "by an ETag": (structs.replace(WHOLE, checksum=None, validator='"e"'), b"whole", "no checksum"),
    "no evidence": (structs.replace(WHOLE, checksum=None), b"whole", "no checksum to compare"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_proved_to_be_masts_is_adopted(tmp_path, case):
    """By size and checksum, or by a validator that is a sha256."""
    listed, data, why = CASES[case]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / WHOLE.filename).write_bytes(data)

    (file,) = adopted(tmp_path, mine, listed).files

    assert file.is_adopted is not bool(why)
    assert why in file.why


def adopted(tmp_path: Path, mine: Path, *wanted: Product, stored=(), check=lambda *_: None):
    """A dry run of an adoption."""
    by_name = {product.filename: product for product in wanted}
    return adopt(tmp_path / "mirror", mine, by_name, stored, lambda *_: None, check, None)


def test_content_that_does_not_fit_its_name_is_not_adopted(tmp_path):
    """Though its checksum is MAST's."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / WHOLE.filename).write_bytes(b"whole")

    def check(path: Path, name: str) -> None:
        raise RejectedError(name, "content", "a data file", "a web page")

    (file,) = adopted(tmp_path, tmp_path / "mine", WHOLE, check=check).files

    assert file.why == "content: expected a data file, found a web page"


def test_what_the_mirror_has_and_what_is_not_there_is_told(tmp_path):
    """A file twice is adopted once."""
    for folder in ("a", "b"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        (tmp_path / "mine" / folder / WHOLE.filename).write_bytes(b"whole")

    first, second = adopted(tmp_path, tmp_path / "mine", WHOLE).files
    known = adopted(tmp_path, tmp_path / "mine", WHOLE, stored=[WHOLE.filename])

    assert (first.is_adopted, second.why) == (True, "the mirror already has MAST's version")
    assert [file.is_adopted for file in known.files] == [False, False]
    for check in (check_folder, lambda folder: adopted(tmp_path, folder)):
        with pytest.raises(StoreError, match="there is no such folder"):
            check(tmp_path / "nowhere")


def take(tmp_path: Path, mine: Path, *wanted: Product):
    """An adoption into the store."""
    (tmp_path / "into").mkdir(exist_ok=True)
    return adopt(
        tmp_path / "mirror",
        mine,
        {product.filename: product for product in wanted},
        (),
        lambda product, path, sha256, size: Version(product=product, sha256=sha256, size=size),
        lambda path, name: None,
        tmp_path / "into",
    )


def test_a_report_of_an_adoption_names_each_file_in_order(tmp_path):
    """Folder by folder; the receipt is like that of a download."""
    names = ["b_rate.fits", "a_rate.fits", "c_rate.fits", "wrong_rate.fits"]
    wanted = [product(name, name.encode(), exclusive=name[0] == "b") for name in names]
    mine = tmp_path / "mine"
    for folder, name in zip(("z", "y", "y", "a"), names, strict=True):
        (mine / folder).mkdir(parents=True, exist_ok=True)
        (mine / folder / name).write_bytes(b"x" if name[0] == "w" else name.encode())

    done = take(tmp_path, mine, *wanted)

    paths = [f"a/{names[3]}", f"y/{names[1]}", f"y/{names[2]}", f"z/{names[0]}"]
    assert [file.file for file in done.files] == [str(mine / path) for path in paths]
    assert [file.is_adopted for file in done.files] == [False, True, True, True]
    assert (done.mirror, done.folder) == (str(tmp_path / "mirror"), str(mine))
    assert done.bytes == 3 * len(names[0]) and list((tmp_path / "into").iterdir()) == []
    receipt = read(tmp_path / "mirror" / done.receipt, Receipt)
    assert done.receipt.startswith("receipts/fetch/adopted.") and len(done.receipt) == 44
    assert [version.product.filename for version in receipt.versions] == [
        names[1],
        names[2],
        names[0],
    ]
    objects = Objects(tmp_path / "mirror")
    modes = [objects.status(version.sha256).st_mode & 0o777 for version in receipt.versions]
    assert modes == [0o444, 0o444, 0o400]
    assert {path.read_bytes() for path in objects.folder.glob("??/*")} == {
        name.encode() for name in names[:3]
    }


def test_where_nothing_is_adopted_nothing_is_written(tmp_path):
    """Neither a receipt nor an object."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").write_text("mine")

    done = take(tmp_path, tmp_path / "mine", WHOLE)

    assert (done.receipt, done.bytes) == ("", 0) and not (tmp_path / "mirror").exists()


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_go_on(tmp_path, monkeypatch):
    """With the error of the disk."""
    mine = tmp_path / "mine"
    (mine / "closed").mkdir(parents=True)
    (mine / WHOLE.filename).write_bytes(b"whole")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    whole, closed = adopted(tmp_path, mine, WHOLE).files

    assert (whole.is_adopted, closed.is_adopted) == (True, False)
    assert (closed.file, closed.why) == (
        str(mine / "closed"), "cannot be listed: Permission denied"
    )  # fmt: skip
