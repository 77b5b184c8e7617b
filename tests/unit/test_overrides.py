"""Files of the user's own: known by content and name, found from where snakemake was called."""

import json
from dataclasses import replace
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Derivation
from jwmirror.pipeline.derivation import differences, key_of
from jwmirror.pipeline.usercode.files import (
    check_files,
    file_digests,
    file_mistakes,
    with_absolute_paths,
)
from tests.setup import records

NAME = "flat_field.override_flat"


def parameters(path: object) -> dict:
    """Parameters of a pipeline with one override."""
    return {"steps": {"flat_field": {"skip": False, "override_flat": str(path)}}}


def with_override(path: Path) -> Derivation:
    """A derivation with an override file as it is now."""
    given = parameters(path)
    return records.derivation("image2", parameters=given, references=file_digests(given))


@pytest.fixture
def flat(tmp_path) -> Path:
    """A file of the user's."""
    path = tmp_path / "flat.fits"
    path.write_bytes(b"flat")
    return path


def test_a_file_is_known_by_name_and_content(flat):
    """Its sha256 stands where a reference's sha1 does."""
    assert file_digests(parameters(flat)) == {NAME: ("flat.fits", sha256_of(flat))}


def test_a_moved_file_gives_the_same_key_and_no_reason(flat, tmp_path):
    """Where it is does not matter to the result."""
    old = with_override(flat)
    (tmp_path / "elsewhere").mkdir()

    new = with_override(flat.rename(tmp_path / "elsewhere" / "flat.fits"))

    assert key_of(new) == key_of(old)
    assert differences(old, new) == ()
    assert new.parameters != old.parameters


def test_other_content_under_the_same_path_changes_the_key_and_is_told(flat):
    """A reason that tells the two contents apart."""
    old = with_override(flat)
    flat.write_bytes(b"another flat")

    (reason,) = differences(old, with_override(flat))

    assert key_of(with_override(flat)) != key_of(old)
    assert str(reason) == f"image2: reference {NAME}: content of flat.fits changed"
    assert reason.old != reason.new


def test_relative_paths_start_where_snakemake_was_called(flat, monkeypatch):
    """Whatever folder the process is in."""
    monkeypatch.chdir("/")

    found = with_absolute_paths(parameters(flat.name), flat.parent)

    assert found == parameters(flat)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("override_flat", "N/A"),
        ("override_flat", None),
        ("abs_refcat", ""),
        ("abs_refcat", "GAIADR3"),
        ("affine2d", "commissioning"),
        ("algorithm", "LIKELY"),
    ],
)
def test_what_is_no_file_stays_as_it_is(name, value, tmp_path):
    """Built-in names, nothing, and parameters that are not about files."""
    plain = {"steps": {"any": {name: value}}}

    assert with_absolute_paths(plain, tmp_path) == plain
    assert file_digests(plain) == {}


def test_catalogues_and_lists_of_files_count_too(flat, tmp_path):
    """Everything that jwst reads from a path the user gives."""
    steps = {"tweakreg": {"abs_refcat": "flat.fits"}, "bkg_subtract": {"bkg_list": ["flat.fits"]}}

    found = file_digests(with_absolute_paths({"steps": steps}, tmp_path))

    content = ("flat.fits", sha256_of(flat))
    assert found == {"tweakreg.abs_refcat": content, "bkg_subtract.bkg_list[0]": content}


def test_catalogues_that_a_catfile_lists_count_too(flat, tmp_path):
    """From beside it, as tweakreg takes them; who says no catalogue has none."""
    (tmp_path / "cats.txt").write_text("# mine\na_cal.fits flat.fits\nb_cal.fits\n\n")
    steps = {"tweakreg": {"catfile": "cats.txt"}}

    before = file_digests(with_absolute_paths({"steps": steps}, tmp_path))
    flat.write_bytes(b"another catalogue")
    after = file_digests(with_absolute_paths({"steps": steps}, tmp_path))

    assert before.keys() == {"tweakreg.catfile", "tweakreg.catfile[a_cal.fits]"}
    assert {name for name in before if before[name] != after[name]} == {
        "tweakreg.catfile[a_cal.fits]"
    }


def test_a_catalogue_that_a_catfile_lists_and_nobody_has_is_a_mistake(flat, tmp_path):
    """Told with the list, the exposure and the place where it was looked for."""
    Table({"xcentroid": [1.0], "y": [2.0]}).write(tmp_path / "a_cat.ecsv")
    (tmp_path / "cats.txt").write_text("a_cal.fits a_cat.ecsv\nb_cal.fits none.ecsv\n")

    (line,) = file_mistakes("catfile", "cats.txt", "here", tmp_path)

    assert line.startswith("here (cats.txt): b_cal.fits: expected a catalogue")
    assert f"there is no {tmp_path}/none.ecsv" in line


def test_a_catfile_that_tweakreg_does_not_read_is_a_mistake(flat, tmp_path):
    """It takes two words in a line; more would end each mosaic, after all that is below it."""
    (tmp_path / "cats.txt").write_text("a_cal.fits flat.fits mine\n")

    (line,) = file_mistakes("catfile", "cats.txt", "here", tmp_path)

    assert "expected a file and its catalogue in a line" in line
    with pytest.raises(CalibrationError, match=r"cannot be read: .* at most two columns"):
        file_digests(
            with_absolute_paths({"steps": {"tweakreg": {"catfile": "cats.txt"}}}, tmp_path)
        )


def test_another_file_than_in_the_key_does_not_run(flat):
    """Changed, or gone, between plan and run."""
    planned = with_override(flat)
    check_files(planned)
    flat.write_bytes(b"another flat")

    with pytest.raises(CalibrationError, match=rf"{NAME}.*has changed since .*run again"):
        check_files(planned)
    flat.unlink()
    with pytest.raises(CalibrationError, match="cannot be read: No such file"):
        check_files(planned)


def test_a_file_that_the_key_does_not_know_does_not_run(flat):
    """A derivation that was made without looking at it."""
    with pytest.raises(CalibrationError, match="expected none"):
        check_files(replace(with_override(flat), references={}))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("override_flat", "missing.fits", "expected a file that can be read, or N/A for none"),
        ("override_flat", "missing.fits", "{base}/missing.fits: No such file or directory"),
        ("override_flat", "folder", "{base}/folder: Is a directory"),
        ("user_mask", "missing.fits", "{base}/missing.fits: No such file"),
        (
            "abs_refcat",
            "GAIADR3_S3",
            "does not store, and workers may have no network; expected GAIA",
        ),
        ("abs_refcat", "gaiaedr3", "GAIADR1, a catalogue file, or '' for no absolute alignment"),
        ("abs_refcat", "gaia.ecsv", "{base}/gaia.ecsv: No such file"),
    ],
)
def test_a_file_that_is_not_there_is_a_mistake(tmp_path, name, value, told):
    """Place, what was found, what is expected, and where it was looked for."""
    (tmp_path / "folder").mkdir()

    (line,) = file_mistakes(name, value, "recipes.deep", tmp_path)

    assert line.startswith(f"recipes.deep: found {value!r}")
    assert told.replace("{base}", str(tmp_path)) in line


def test_files_that_are_there_are_no_mistake(flat):
    """By relative or by whole path; in a list, the others are told by number."""
    good = [*file_mistakes("user_supplied_flat", "flat.fits", "here", flat.parent)]
    (line,) = file_mistakes("bkg_list", [str(flat), "missing.fits"], "here", flat.parent)

    assert good == []
    assert line.startswith("here[1]: found 'missing.fits'")


# ---- what reference files say of themselves --------------------------------------------------


def reference(path: Path, reftype: str) -> Path:
    """A small reference file of a type, in the format that its name says."""
    if path.suffix == ".asdf":
        asdf.AsdfFile({"meta": {"reftype": reftype}}).write_to(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"reftype": reftype}))
    else:
        header = fits.Header({"REFTYPE": reftype})
        fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(np.zeros((99, 99)))]).writeto(
            path
        )
    return path


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.asdf", "a.json"])
def test_a_reference_of_the_right_type_is_no_mistake(tmp_path, name):
    """In all formats that references come in; another type is named, with the way out."""
    reference(tmp_path / name, "FLAT")

    right = [*file_mistakes("override_flat", name, "here", tmp_path)]
    (wrong,) = file_mistakes("override_dark", name, "here", tmp_path)

    assert right == []
    assert f"found {name!r}, whose REFTYPE is flat" in wrong
    assert "expected a dark reference; name it as override_flat" in wrong


def test_a_reference_without_a_type_is_taken_for_what_it_stands_for(tmp_path):
    """Whoever makes a file by hand may leave REFTYPE out."""
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "flat.fits")

    assert [*file_mistakes("override_flat", "flat.fits", "here", tmp_path)] == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.fits", b"", "it is empty"),
        ("a.fits", b"flat", "neither FITS nor ASDF nor JSON"),
        ("a.fits", None, "truncated"),
        ("a.json", b'{"reftype": ', "JSONDecodeError"),
        ("a.asdf", b"#ASDF 1.0.0\nreftype: [", "Error"),
    ],
)
def test_a_reference_that_is_broken_is_a_mistake(tmp_path, name, content, told):
    """Cut short, or of another kind: told before the first job."""
    whole = reference(tmp_path / f"whole_{name}", "FLAT").read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)

    (line,) = file_mistakes("override_flat", name, "here", tmp_path)

    assert line.startswith(f"here: found {name!r}, expected a reference file; {tmp_path / name}: ")
    assert told in line


@pytest.mark.parametrize("name", ["stars.ecsv", "stars.fits"])
def test_a_catalogue_with_places_is_no_mistake(tmp_path, name):
    """In the formats that tweakreg reads."""
    Table({"RA": [1.0], "DEC": [2.0]}).write(tmp_path / name)

    assert [*file_mistakes("abs_refcat", name, "here", tmp_path)] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "expected a catalogue"),
        ("# %ECSV 1.0\n# ---\n# datatype: [\n", "expected a catalogue"),
        ({"RA": [1.0], "ra": [1.0], "DEC": [2.0]}, "Column RA already exists"),
        ({"x": [1.0], "y": [2.0]}, "expected a catalogue with columns RA and DEC, in degrees, or"),
    ],
)
def test_a_catalogue_that_tweakreg_cannot_use_is_a_mistake(tmp_path, content, told):
    """Empty, broken, or without the columns that the fit needs."""
    if isinstance(content, dict):
        Table(content).write(tmp_path / "stars.ecsv")
    else:
        (tmp_path / "stars.ecsv").write_text(content)

    (line,) = file_mistakes("abs_refcat", "stars.ecsv", "here", tmp_path)

    assert line.startswith("here: found 'stars.ecsv'") and told in line
