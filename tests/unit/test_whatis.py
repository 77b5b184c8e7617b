"""`jwmirror whatis` and `jwmirror outdated`: what any file is, for certain, or "unknown"."""

import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from msgspec import structs

from jwmirror.core.files import sha256_of
from jwmirror.core.model import Change, Listing, Poll
from jwmirror.core.model.product import REPROCESSED
from jwmirror.services.inspect.answers.identification import identify_files
from jwmirror.services.inspect.answers.outdated import outdated_files
from jwmirror.store.objects import Objects
from tests.setup.command_line import answer, run
from tests.setup.mirrors import MOSAIC, SmallMirror, made_from
from tests.setup.other_user import NOBODY

VERSIONS = ("1.16.0", "1.17.1", "1.18.0")  # of jwst, one in each generation
SUFFIXES = ("rate", "cal", "i2d", "x1d")
FILES = 200


def exposure_name(number: int, suffix: str) -> str:
    """Return the name of a product."""
    return f"jw0134500{number % 9 + 1}001_02101_{number:05d}_nrcb1_{suffix}.fits"


def writer(name: str, version: str, number: int, by: str = "MAST"):
    """Return a writer of one version; the pixels of the last two versions of odd ones are equal."""
    seed = VERSIONS.index(version) - (number % 2 and version == VERSIONS[2])
    pixels = np.random.default_rng([number, seed]).normal(1, 0.1, (30, 40)).astype("f4")
    header = fits.Header({"FILENAME": name, "CAL_VER": version, "TELESCOP": "JWST", "BY": by})
    table = fits.BinTableHDU.from_columns([fits.Column("FLUX", "E", array=pixels[0])], name="LIST")
    hdus = fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(pixels, name="SCI"), table])
    return lambda path: hdus.writeto(path, overwrite=True)


def stored_name(stored, name: str, version: str) -> str:
    """Return the name of an object, its sha256."""
    return stored[name][version].name


def said_to_another_user(mirror: Path, file: Path) -> str:
    """Return what a process of another user of the machine finds out about a file."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(mirror.parent)  # the folders above need not let this user pass
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with open(writer, "w") as pipe:
                try:
                    found = identify_files(Path(mirror.name), [file.name]).files[0]
                except BaseException:
                    import traceback

                    pipe.write(traceback.format_exc())
                    raise
                pipe.write(f"{found.kind} {len(found.known)} {len(found.namesakes)}")
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def archive_mirror(empty_mirror: SmallMirror) -> dict[str, dict[str, Path]]:
    """A mirror with three generations of ten products, from MAST and of recipe deep.

    By name and version the stored file. The pixels of some results are those of MAST's file.
    """
    stored: dict[str, dict[str, Path]] = {}
    path = Objects(empty_mirror.root).path
    for version in VERSIONS:
        for number in range(10):
            name = exposure_name(number, SUFFIXES[number % 4])
            row = empty_mirror.hold(name, writer(name, version, number), cal_ver=version)
            made = made_from("image2", name.rpartition("_")[0], name, photom={"version": version})
            seed = number if number % 3 == 0 else number + 100
            result = empty_mirror.make(made, name, writer(name, version, seed, by="deep"))
            of_name = stored.setdefault(name, {})
            of_name[version] = path(row.sha256)
            of_name[f"deep {version}"] = path(result.files[0].sha256)
        empty_mirror.publish(version)
    return stored


def loose_files(stored, folder: Path):
    """Yield (file, the treatment, name and version that it was made from), of FILES files."""
    chance = random.Random(17)
    for number in range(FILES):
        treatment = ("copied", "renamed", "edited", "cut", "foreign")[number % 5]
        name = chance.choice(sorted(stored))
        version = chance.choice(sorted(stored[name]))
        data = stored[name][version].read_bytes()
        own = folder / str(number)
        own.mkdir()
        path = own / (name if treatment in ("copied", "foreign") else f"my_{number}.fits")
        path.write_bytes(data)
        if treatment == "edited":
            with fits.open(path, mode="update") as hdus:
                hdus[0].header["CAL_VER"] = "9.9"
                hdus[1].header["COMMENT"] = "edited " * chance.randint(1, 900)
                del hdus[0].header["FILENAME" if number % 3 == 0 else "TELESCOP"]
        elif treatment == "cut":
            path.write_bytes(data[: chance.randint(1, len(data) - 1)])
        elif treatment == "foreign":
            foreign = bytearray(data)
            place = chance.randrange(2 * 2880, 2 * 2880 + 30 * 40 * 4)  # in SCI
            foreign[place] ^= 1 << chance.randrange(8)
            others = (
                foreign,
                foreign[: chance.randint(place + 1, len(data))],
                chance.randbytes(3000),
            )
            path.write_bytes(others[number % 3])
        yield path, treatment, name, version


def test_200_files_are_known_for_what_they_are_or_unknown(archive_mirror, empty_mirror, tmp_path):
    """All versions, copied, renamed, edited, cut and foreign: never a wrong answer."""
    (tmp_path / "loose").mkdir()
    files = list(loose_files(archive_mirror, tmp_path / "loose"))

    found = identify_files(empty_mirror.root, [str(path) for path, *_ in files]).files

    kinds: Counter[tuple[str, str]] = Counter()
    allowed = {"copied": "version", "renamed": "version", "foreign": "unknown"}
    for (path, treatment, name, version), file in zip(files, found, strict=True):
        kinds[treatment, file.kind] += 1
        known = {each.version.sha256: each.version.entry.filename for each in file.known}
        objects = [Objects(empty_mirror.root).path(sha256) for sha256 in known]
        assert file.kind in {allowed.get(treatment, treatment), "unknown"}, (path, file)
        assert (stored_name(archive_mirror, name, version) in known) == (file.kind != "unknown")
        assert set(known.values()) <= {name}
        if file.kind == "version":
            assert len(known) == 1
        if file.kind == "edited":  # the pixels may be those of two versions
            data = [fits.getdata(each, "SCI") for each in objects]
            assert all(np.array_equal(each, fits.getdata(path, "SCI")) for each in data)
        if file.kind == "cut":
            assert all(each.read_bytes().startswith(path.read_bytes()) for each in objects)
    assert kinds["copied", "version"] + kinds["renamed", "version"] == FILES * 2 // 5
    assert kinds["edited", "edited"] > FILES // 10 and kinds["cut", "cut"] > FILES // 10
    assert kinds["foreign", "unknown"] == FILES // 5


def test_a_version_is_shown_with_what_became_of_it(archive_mirror, empty_mirror, tmp_path):
    """Which generations have it, and how the present one differs."""
    name = exposure_name(2, "i2d")
    old = tmp_path / "mosaic.fits"
    old.write_bytes(archive_mirror[name]["1.17.1"].read_bytes())

    page = run("whatis", old, "--mirror", empty_mirror.root)
    file = answer("whatis", old, "--mirror", empty_mirror.root)["files"][0]

    assert f"upstream/jw01345/o003/{name}  (generation 2), CAL_VER 1.17.1" in page
    why = "MAST reprocessed jw01345 o003: CAL_VER 1.17.1 -> 1.18.0"
    assert f"replaced in the current generation: {why}" in page
    assert [cause["kind"] for cause in file["known"][0]["causes"]] == ["reprocessed"]
    assert (file["kind"], file["known"][0]["state"]) == ("version", "replaced")


def test_what_a_rollback_hides_is_not_outdated(archive_mirror, empty_mirror, tmp_path):
    """It is newer than what is shown, and the causes are not reversed."""
    name = exposure_name(2, "i2d")
    (tmp_path / "mine").mkdir()
    copy = tmp_path / "mine" / name
    copy.write_bytes(archive_mirror[name]["1.18.0"].read_bytes())
    run("rollback", "1", "--mirror", empty_mirror.root)

    found = answer("outdated", copy.parent, "--mirror", empty_mirror.root)
    page = " ".join(run("outdated", copy.parent, "--mirror", empty_mirror.root).split())
    backward = " ".join(run("diff", "3", "1", "--mirror", empty_mirror.root).split())

    assert [len(found[each]) for each in ("replaced", "gone", "newer")] == [0, 0, 1]
    why = "MAST reprocessed jw01345 o003: CAL_VER 1.16.0 -> 1.18.0"
    assert f"what happened in between: {why}" in page
    assert "Causes of what happened from generation 1 to 3" in backward
    assert "CAL_VER 1.16.0 -> 1.18.0" in backward and "1.18.0 -> 1.16.0; " not in backward


def test_a_result_is_known_with_its_recipe(small_mirror, tmp_path):
    """By its bytes, although MAST has a file of the same name."""
    path = tmp_path / f"{MOSAIC}_i2d.fits"
    path.write_bytes(
        (small_mirror.root / f"current/recalibrated/deep/jw01345/o001/{path.name}").read_bytes()
    )

    known = answer("whatis", path, "--mirror", small_mirror.root)["files"][0]["known"]

    assert [each["version"]["entry"]["origin"] for each in known] == ["deep"]
    assert "recipe deep, " in run("whatis", path, "--mirror", small_mirror.root)


def test_unknown_files_say_what_their_headers_say(small_mirror, tmp_path):
    """Marked as unchecked; a missing file and a folder are errors."""
    path = tmp_path / f"{MOSAIC}_i2d.fits"
    fits.PrimaryHDU(header=fits.Header({"FILENAME": "x.fits", "CAL_VER": "1.0"})).writeto(path)

    page = run("whatis", path, "--mirror", small_mirror.root)

    assert "unknown" in page and "unchecked: FILENAME x.fits, CAL_VER 1.0" in page
    assert "other bytes: upstream/" in page
    assert "No such file" in run("whatis", "none", "--mirror", small_mirror.root, code=1)
    assert "jwmirror outdated" in run("whatis", tmp_path, "--mirror", small_mirror.root, code=1)


def test_outdated_lists_what_was_replaced_and_why(archive_mirror, empty_mirror, tmp_path):
    """Earlier versions under any name; present ones and foreign files are only counted."""
    folder = tmp_path / "mine" / "data"
    folder.mkdir(parents=True)
    name, other = exposure_name(2, "i2d"), exposure_name(1, "cal")
    (folder / "old.fits").write_bytes(archive_mirror[name]["1.16.0"].read_bytes())
    (folder / name).write_bytes(archive_mirror[name]["1.18.0"].read_bytes())
    (folder / "notes.txt").write_text("mine")
    writer(other, "1.16.0", 77)(folder / other)

    found = answer("outdated", tmp_path / "mine", "--mirror", empty_mirror.root)
    page = run("outdated", tmp_path / "mine", "--mirror", empty_mirror.root)

    assert [Path(each["file"]).name for each in found["replaced"]] == ["old.fits"]
    assert [Path(each["file"]).name for each in found["different"]] == [other]
    assert (found["files"], found["present"]) == (4, 1)
    why = "MAST reprocessed jw01345 o003: CAL_VER 1.16.0 -> 1.18.0"
    assert f"old.fits: replaced in the current generation: {why}" in page
    assert f"{other}: by its header CAL_VER: 1.16.0 -> 1.18.0" in page
    assert "1 not of this mirror" in page


def test_outdated_knows_what_mast_lists_and_the_mirror_lacks(
    archive_mirror, empty_mirror, tmp_path
):
    """The last poll found another checksum, and nothing was downloaded yet."""
    name = exposure_name(2, "i2d")
    row = next(row for path, row in empty_mirror.rows.items() if path.endswith(name))
    row = replace(row, product=structs.replace(row.product, checksum="0a" * 16))
    empty_mirror.rows[row.path] = row
    empty_mirror.publish("with a checksum")
    listed = structs.replace(row.product, checksum="0c" * 16, cal_ver="1.19.0")
    listings = (Listing(program=1345, asked_at="2026-04-05T00:00:00+00:00", products=(listed,)),)
    changes = (Change(kind=REPROCESSED, product=listed),)
    empty_mirror.record("changes.json", Poll(listings=listings, changes=changes))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_bytes(archive_mirror[name]["1.18.0"].read_bytes())

    found = outdated_files(empty_mirror.root, tmp_path / "mine")

    assert found.polled_at.startswith("2026-04-05")
    assert [each.state for file in found.replaced for each in file.known] == ["replaced at MAST"]
    printed = run("outdated", tmp_path / "mine", "--mirror", empty_mirror.root)
    assert "CAL_VER: 1.18.0 -> 1.19.0" in " ".join(printed.split())


def test_another_issue_of_an_association_takes_its_place(empty_mirror, tmp_path):
    """MAST gives it another time in its name; the former one leaves the view."""
    former, present = (f"jw01345-o001_2026010{day}t000000_image3_00001_asn.json" for day in (1, 2))
    row = empty_mirror.hold(former, lambda path: path.write_text('{"asn_id": "o001"}'))
    empty_mirror.publish("first")
    (tmp_path / "mine").mkdir()
    copy = tmp_path / "mine" / former
    copy.write_bytes(Objects(empty_mirror.root).path(row.sha256).read_bytes())
    del empty_mirror.rows[row.path]
    empty_mirror.hold(present, lambda path: path.write_text('{"asn_id": "o002"}'))
    empty_mirror.publish("restamped")

    page = " ".join(run("outdated", copy.parent, "--mirror", empty_mirror.root).split())

    assert f"{former}: replaced by {present} in the current generation" in page


def test_nothing_is_said_of_a_file_that_its_reader_may_not_read(
    archive_mirror, empty_mirror, tmp_path, monkeypatch
):
    """Also to who has its bytes: neither the version, nor MAST's file of that name."""
    name = exposure_name(2, "i2d")
    closed = {path: sha256_of(path) for path in archive_mirror[name].values()}
    copy = tmp_path / name
    copy.write_bytes(archive_mirror[name]["1.17.1"].read_bytes())
    monkeypatch.setattr(os, "geteuid", lambda: empty_mirror.root.stat().st_uid + 1)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in closed)

    file = identify_files(empty_mirror.root, [str(copy)]).files[0]

    assert (file.kind, file.known, file.namesakes) == ("unknown", (), ())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_told_only_of_public_files(empty_mirror):
    """A process of another user, which has a copy of an exclusive file."""
    name = exposure_name(2, "i2d")
    row = empty_mirror.hold(name, writer(name, "1.16.0", 2), exclusive=True)
    empty_mirror.publish("exclusive")
    copy = empty_mirror.root.parent / name
    copy.write_bytes(Objects(empty_mirror.root).path(row.sha256).read_bytes())
    copy.chmod(0o644)
    copy.parent.chmod(0o755)
    assert identify_files(empty_mirror.root, [str(copy)]).files[0].kind == "version"

    exclusive = said_to_another_user(empty_mirror.root, copy)
    empty_mirror.hold(name, writer(name, "1.16.0", 2), exclusive=False)
    empty_mirror.publish("released")
    public = said_to_another_user(empty_mirror.root, copy)

    assert exclusive == "unknown 0 0"
    assert public == "version 1 0"
