"""Files that are damaged or made to harm: each is refused alone, with its name, in little time."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.compare.versions import compare_files
from jwmirror.core import fits as structures
from jwmirror.core.errors import CalibrationError, RejectedError, StoreError
from jwmirror.core.fits import (
    ASDF_BLOCK_MAGIC,
    MAX_DEPTH,
    asdf_blocks,
    check_asdf_tree,
    check_yaml,
)
from jwmirror.net.integrity import check_readable
from jwmirror.pipeline import headers, identity
from jwmirror.pipeline.associations import pool
from jwmirror.pipeline.associations.pool import generate_associations
from jwmirror.pipeline.crds_rules import read_pars_reference
from jwmirror.pipeline.identity import downloaded_version, identified_version, science_identity
from tests.setup.records import product

UNCAL = "jw01345001001_02101_00001_nrcb1_uncal.fits"
START = b"#ASDF 1.0.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
END = b"\n...\n"
PRIMARY = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   = 0")
IMAGE = ("XTENSION= 'IMAGE   '", "BITPIX  =                    8", "NAXIS   = 0", "PCOUNT  = 0")


def header(*cards: str) -> bytes:
    """A FITS header of these cards, as bytes."""
    text = b"".join(card.ljust(80).encode("latin1") for card in (*cards, "END"))
    return text + b" " * (-len(text) % 2880)


def with_asdf(path: Path, content: bytes) -> Path:
    """A FITS file with this ASDF file in it."""
    octets = np.frombuffer(content, "u1")[None, :]
    column = fits.Column("ASDF_METADATA", f"{len(content)}B", array=octets)
    table = fits.BinTableHDU.from_columns([column], name="ASDF")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def alias_bomb(levels: int) -> bytes:
    """A tree of ten aliases in each of ten aliases, and so on."""
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        tens = b", ".join([b"*a%d" % (level - 1)] * 10)
        lines.append(b"a%d: &a%d [%s]" % (level, level, tens))
    return b"\n".join(lines)


@pytest.mark.parametrize(
    "card",
    [
        "FIRSTOBS= visit 1, not quoted",
        "TARGNAME= 'a\x1b[2Jb'",
        "TARGNAME= 'a\0b'",
        "TARGNAME= 'a\xffb'",
        "EXTNAME = visit 1, not quoted",
        "\x07\x07\x07\x07    = 1",
    ],
)
def test_an_exposure_with_a_bad_card_is_kept_and_marked(tmp_path, card):
    """Its bytes are MAST's; only that it cannot be calibrated is recorded."""
    path = tmp_path / "part"
    path.write_bytes(header(*PRIMARY, "TELESCOP= 'JWST    '", card))

    version = downloaded_version(product(UNCAL), path, "0" * 64, path.stat().st_size)

    assert UNCAL in version.refusal
    assert (version.header, version.scheme) == ("", "")


TREES = {
    "it is not YAML": b"{a: [",
    "is not YAML: .* cannot start any token": b"a: @b",
    "contains itself": b"a: &a [*a]",
    "nests deeper than 300 levels": b"a: " + b"[" * 100_000 + b"]" * 100_000,
    "more than": alias_bomb(9),
    "in another file: 'http://x/a'": b"a: !core/ndarray-1.0.0 {shape: [1], source: 'http://x/a'}",
    "in another file: 'an alias'": b"a: &a b\nb: !core/ndarray-1.0.0 {source: *a}",
}


@pytest.mark.parametrize("reason", TREES)
def test_a_tree_that_cannot_be_read_is_refused(tmp_path, reason):
    """It takes neither hours nor all memory, and does not end the process."""
    path = with_asdf(tmp_path / UNCAL, START + TREES[reason] + END)
    other = with_asdf(tmp_path / "other.fits", START + b"a: 1" + END)

    with pytest.raises(CalibrationError, match=f"{UNCAL}: it cannot be read as FITS: .*{reason}"):
        science_identity(path)
    with pytest.raises(StoreError, match=f"{UNCAL}: .*{reason}"):
        compare_files(path, other, UNCAL)


def test_a_tree_before_which_another_ends_is_refused():
    """asdf would read the second one, and only the first would be checked."""
    with pytest.raises(ValueError, match="begins after its end"):
        check_asdf_tree(b"#ASDF 1.0.0\n...\n" + START + alias_bomb(9) + END)


def test_aliases_and_depth_of_ordinary_trees_are_accepted():
    """Coordinate systems repeat the same frames, and nest a hundred levels deep."""
    check_yaml(alias_bomb(5))
    check_yaml("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))


def test_blocks_that_overlap_are_refused():
    """Each block may be read once only: 10 MB of them became 30 GB."""
    sizes = [(60).to_bytes(8, "big"), (10**6).to_bytes(8, "big"), (10**6).to_bytes(8, "big")]
    block = ASDF_BLOCK_MAGIC + (48).to_bytes(2, "big") + bytes(8) + b"".join(sizes) + bytes(16)
    content = START + b"a: 1" + END + block.ljust(60) * 20_000

    with pytest.raises(ValueError, match="block"):
        list(asdf_blocks(content))


def test_a_compressed_block_is_refused_if_it_becomes_too_large():
    """What it becomes is written before it is read."""
    sizes = [(60).to_bytes(8, "big"), (9).to_bytes(8, "big"), (10**12).to_bytes(8, "big")]
    block = ASDF_BLOCK_MAGIC + (48).to_bytes(2, "big") + bytes(4) + b"bzp2" + b"".join(sizes)

    with pytest.raises(ValueError, match="compressed block"):
        list(asdf_blocks(START + b"a: 1" + END + block + bytes(200)))


def test_lengths_that_are_no_numbers_are_refused():
    """Plans calculate with them; only some models of jwst check them."""
    with pytest.raises(ValueError, match=r"expected a number as meta\.exposure\.nints"):
        headers._check_numbers({"meta.exposure.nints": "many"})


def test_a_file_of_too_many_hdus_is_refused_before_they_are_read(tmp_path, monkeypatch):
    """astropy would take hours for a million."""
    monkeypatch.setattr(structures, "MAX_HDUS", 100)
    path = tmp_path / UNCAL
    path.write_bytes(header(*PRIMARY) + header(*IMAGE) * 100)

    with pytest.raises(RejectedError, match="at most 100 HDUs"):
        check_readable(path, UNCAL)
    with pytest.raises(CalibrationError, match="at most 100 HDUs"):
        science_identity(path)


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error")])
def test_a_refusal_for_want_of_memory_does_not_last(tmp_path, monkeypatch, error):
    """Another machine may read the file, so it is read again by the next plan."""

    def fail(*args: object) -> str:
        raise error

    monkeypatch.setattr(identity, "_fits_identity", fail)

    version = identified_version(product(UNCAL), tmp_path / UNCAL, "0" * 64, 1)

    assert UNCAL in version.refusal and version.scheme == identity.UNREAD


CATALOGUE = """# %ECSV 1.0
# ---
# datatype:
# - {{name: a, datatype: int64}}
# meta: {meta}
# schema: astropy-2.0
a
1
"""


@pytest.mark.parametrize("meta", ["&a [*a]", "[" * 20_000 + "]" * 20_000, "{a: ["])
def test_a_catalogue_with_a_bad_header_is_not_compared(tmp_path, meta):
    """The error names the file."""
    paths = [tmp_path / "old.ecsv", tmp_path / "new.ecsv"]
    paths[0].write_text(CATALOGUE.format(meta="{}"))
    paths[1].write_text(CATALOGUE.format(meta=meta))

    with pytest.raises(StoreError, match=r"old\.ecsv"):
        compare_files(*paths)


def test_a_catalogue_that_is_not_text_has_no_identity(tmp_path):
    """Its name is in the error."""
    path = tmp_path / "cat.ecsv"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(CalibrationError, match=r"cat\.ecsv: it cannot be read as ECSV"):
        science_identity(path)


@pytest.mark.parametrize("tree", [alias_bomb(9), b"{a: [", b"a: &a [*a]"])
def test_a_parameter_reference_that_cannot_be_read_is_named(tmp_path, tree):
    """It has CRDS's checksum, but the exposures that need it cannot be planned."""
    path = tmp_path / "jwst_nircam_pars-jumpstep_0001.asdf"
    path.write_bytes(START + tree + END)

    with pytest.raises(CalibrationError, match=f"{path.name} cannot be read: "):
        read_pars_reference(path)


POOL = "filename|program|asn_candidate\n"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (f"{UNCAL}|1345|[('o001','observation')]\n" * 50, "50 rows are of 1 exposures"),
        (f"{UNCAL}|1345|[{'(1,2),' * 5000}]\n", "candidates of 30002 characters"),
        ("x" * 3000, "expected at most 2000 bytes"),
    ],
)
def test_a_pool_that_would_take_hours_is_refused(tmp_path, monkeypatch, rows, reason):
    """The rules of jwst take seconds for each row and candidate."""
    limit = 2000 if "bytes" in reason else pool.MAX_POOL
    monkeypatch.setattr(pool, "MAX_POOL", limit)
    path = tmp_path / "pool.csv"
    path.write_text(POOL + rows)

    with pytest.raises(CalibrationError, match=f"a_pool.csv: .*{reason}"):
        generate_associations(path, "a_pool.csv", {UNCAL.removesuffix("_uncal.fits")})


def test_json_that_nests_deeply_is_not_compared(tmp_path):
    """Whether the reader of JSON or the comparison finds it too deep."""
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, depth in zip(paths, (100_000, 900), strict=True):
        path.write_text('{"a": ' * depth + "1" + "}" * depth)

    with pytest.raises(StoreError, match=r"old\.json"):
        compare_files(*paths)
