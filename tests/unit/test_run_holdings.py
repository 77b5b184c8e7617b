"""What recipes take from upstream's files: read once, remembered, and never for nothing."""

import json
from dataclasses import replace

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.jsonio import receipt_path, remembered
from jwmirror.core.model import Recipe, Version
from jwmirror.pipeline import identity
from jwmirror.pipeline.usercode import own_inputs
from jwmirror.services.run.holdings import describe_holdings, described_input
from jwmirror.services.run.results import ResultStore
from jwmirror.store.objects import Objects
from jwmirror_simulator.operations.associations import pool_text
from jwmirror_simulator.telescope.program import demo_program, exposures_of
from tests.setup import records

ROOT = "jw01345001001_02101_00001_nrcb1"
ASN = "jw01345-o001_20260101t000000_image2_00001_asn.json"
DEEP = Recipe(name="deep", programs=(1345,))
FROM_RATE = replace(DEEP, stages=(2, 3))


def rate(path) -> None:
    """A rate as MAST has it."""
    from stdatamodels.jwst import datamodels

    with datamodels.ImageModel((8, 8)) as model:
        model.meta.instrument.name = "NIRCAM"
        model.meta.instrument.filter = "F200W"
        model.meta.exposure.type = "NRC_IMAGE"
        model.save(path.with_suffix(".fits"))
    path.with_suffix(".fits").rename(path)


def uncal(path) -> None:
    """A raw exposure as MAST has it."""
    from stdatamodels.jwst import datamodels

    with datamodels.Level1bModel((1, 2, 8, 8)) as model:
        model.meta.instrument.name = "NIRCAM"
        model.meta.exposure.type = "NRC_IMAGE"
        model.save(path.with_suffix(".fits"))
    path.with_suffix(".fits").rename(path)


def image2(path) -> None:
    """The association of that rate."""
    members = [{"expname": f"{ROOT}_rate.fits", "exptype": "science"}]
    content = {"asn_type": "image2", "asn_id": "o001", "program": "01345"}
    path.write_text(json.dumps(content | {"products": [{"name": ROOT, "members": members}]}))


@pytest.fixture
def mirror(empty_mirror):
    """A rate and its association."""
    empty_mirror.hold(f"{ROOT}_rate.fits", rate)
    empty_mirror.hold(ASN, image2)
    return empty_mirror


def held(mirror, *recipes: Recipe):
    """What the recipes are supplied with."""
    return describe_holdings(mirror.root, tuple(mirror.rows.values()), recipes)


def test_a_rate_is_described_when_a_recipe_starts_from_it(mirror):
    """Identity and header; not for a recipe that makes its own."""
    begun = {entry.filename: entry for entry in held(mirror, DEEP, FROM_RATE).entries}
    own = {entry.filename: entry for entry in held(mirror, DEEP).entries}

    described = begun[f"{ROOT}_rate.fits"]
    assert len(described.identity) == 64 and "NRC_IMAGE" in described.header
    assert own[f"{ROOT}_rate.fits"].identity == "" and begun[ASN].identity == ""


def test_what_was_read_is_not_read_again(mirror):
    """The second time not even the file is needed."""
    first = held(mirror, FROM_RATE)
    Objects(mirror.root).path(
        mirror.rows[f"upstream/jw01345/o001/{ROOT}_rate.fits"].sha256
    ).unlink()

    assert held(mirror, FROM_RATE) == first


@pytest.mark.parametrize("scheme", [(identity, "IDENTITY_SCHEME"), (identity, "HEADER_SCHEME")])
def test_a_later_version_of_the_method_does_not_take_old_answers(mirror, monkeypatch, scheme):
    """The file is read again, once; the first version's answers stay readable."""
    first = held(mirror, FROM_RATE)
    with monkeypatch.context() as patch:
        patch.setattr(*scheme, 2)
        second = held(mirror, FROM_RATE)
    stored = {path.name.count(".") for path in (mirror.root / "receipts/inputs").iterdir()}

    old, new = (
        next(entry for entry in entries if entry.filename == f"{ROOT}_rate.fits")
        for entries in (first.entries, second.entries)
    )
    assert (old.scheme, new.scheme != "") == ("", True)
    assert new.identity == ("2:" if scheme[1].startswith("IDENTITY") else "") + old.identity
    assert stored == {1, 2}  # <sha256>.json, <sha256>.2-1.json
    assert held(mirror, FROM_RATE) == first


def test_an_image_that_was_described_without_its_header_is_described_again(empty_mirror):
    """As an input of grism exposures it needed none; a single step needs it."""
    row = empty_mirror.hold(f"{ROOT}_i2d.fits", rate)
    path = receipt_path(empty_mirror.root, "inputs", row.sha256, "")
    version = Version(product=row.product, sha256=row.sha256, size=row.size, identity="1" * 64)
    remembered(path, Version, lambda: version)

    described = described_input(empty_mirror.root, row)

    assert "NRC_IMAGE" in described.header
    assert remembered(path, Version, lambda: version).header == described.header


def test_a_raw_exposure_that_an_earlier_version_described_is_described_again(mirror, monkeypatch):
    """Its row in the manifest has the old answer."""
    row = mirror.hold(f"{ROOT}_uncal.fits", rate)
    mirror.rows[row.path] = replace(row, identity="old", header="{}")
    monkeypatch.setattr(identity, "IDENTITY_SCHEME", 2)

    entries = {entry.filename: entry for entry in held(mirror, DEEP).entries}

    raw = entries[f"{ROOT}_uncal.fits"]
    assert raw.scheme == "2-1" and (raw.refusal or raw.identity.startswith("2:"))


def test_a_raw_exposure_that_arrived_without_jwst_is_described_for_a_recipe(mirror):
    """Not before one takes its program, and once."""
    row = mirror.hold(f"{ROOT}_uncal.fits", uncal)
    other = replace(DEEP, programs=(2107,))

    raw, not_taken, taken_by_none = (
        {entry.filename: entry for entry in held(mirror, *recipes).entries}[row.filename]
        for recipes in ([DEEP], [other], [])
    )
    Objects(mirror.root).path(row.sha256).unlink()
    again = {entry.filename: entry for entry in held(mirror, DEEP).entries}[row.filename]

    assert raw.identity and "NRC_IMAGE" in raw.header and not raw.refusal
    assert not_taken == taken_by_none == row
    assert again == raw


def test_a_rate_that_cannot_be_read_is_refused_in_words(empty_mirror):
    """It is no error of the plan, but a reason to wait."""
    empty_mirror.hold(f"{ROOT}_rate.fits", lambda path: path.write_bytes(b"no FITS"))
    empty_mirror.hold(ASN, image2)

    (described, _) = held(empty_mirror, FROM_RATE).entries

    assert "cannot be read as FITS" in described.refusal


def test_a_part_of_a_program_has_its_associations_from_the_pool(empty_mirror):
    """By the rules of jwst, of the selected exposures alone, and remembered."""
    exposures = exposures_of(demo_program())
    empty_mirror.hold(
        "jw01345_20260101t000000_pool.csv",
        lambda path: path.write_text(pool_text(exposures)),
        suffix="pool",
    )
    for exposure in exposures:
        empty_mirror.hold(
            exposure.filename,
            lambda path: path.write_bytes(b""),
            observation=f"o{exposure.observation:03d}",
        )
    second = replace(DEEP, select={"observation": ("2",)})

    found = held(empty_mirror, second).associations
    again = held(empty_mirror, second).associations

    (mosaic,) = found.of(second, 3)
    taken = [each for each in exposures if each.observation == 2]
    assert [member.name for member in mosaic.members] == [f"{each.root}_cal.fits" for each in taken]
    assert len(found.of(second, 2)) == len(taken)
    assert again == found


def test_a_result_is_recalled_with_the_identity_of_the_present_version(mirror, monkeypatch):
    """The key of what is made from it contains that one; the record keeps its own."""
    made = records.derivation()
    result = mirror.make(made, f"{ROOT}_rate.fits", rate)
    store = ResultStore(mirror.root)
    (before,) = store.recall(result.key)
    monkeypatch.setattr(identity, "IDENTITY_SCHEME", 2)

    (file,) = store.recall(result.key)

    assert before.identity == "1d" * 32
    assert file.identity == "2:" + file.identity[2:] and len(file.identity) == 66


def test_a_later_version_of_the_rules_generates_associations_again(mirror, monkeypatch):
    """Receipts of the first version have no version in their name."""
    path, calls = mirror.root / "receipts", []

    def generate() -> str:
        calls.append(1)
        return "made"

    for scheme in ("", "2", "2", ""):
        remembered(receipt_path(mirror.root, "associations", "ab", scheme), str, generate)

    names = sorted(each.name for each in (path / "associations").iterdir())
    assert (len(calls), names) == (2, ["ab.2.json", "ab.json"])


def test_a_broken_pool_is_told_where_it_is_needed(empty_mirror):
    """As any association file that cannot be used."""
    empty_mirror.hold(
        "jw01345_20260101t000000_pool.csv", lambda path: path.write_text("<html>"), suffix="pool"
    )
    empty_mirror.hold(f"{ROOT}_uncal.fits", lambda path: path.write_bytes(b""))

    (failure,) = held(empty_mirror, DEEP).associations.broken

    assert "jwst cannot make associations of this pool" in failure.message


def test_own_associations_that_went_meanwhile_are_an_error(mirror, tmp_path):
    """They were there when the config was checked."""
    recipe = replace(DEEP, associations=(str(tmp_path / "mine.json"),))

    with pytest.raises(CalibrationError, match=r"mine\.json"):
        held(mirror, recipe)


# ---- files of the user -------------------------------------------------------------------------


def with_own(folder, member: str = "sky.fits") -> Recipe:
    """A recipe with an association of one member."""
    content = {"asn_type": "image2", "program": 1345}
    members = [{"expname": member, "exptype": "science"}]
    text = json.dumps({**content, "products": [{"name": "mine", "members": members}]})
    (folder / "mine.json").write_text(text)
    return replace(FROM_RATE, associations=(str(folder / "mine.json"),))


def test_an_own_file_is_known_by_content_and_read_once(mirror, tmp_path, monkeypatch):
    """With the header of a science member; moved elsewhere, it is not read again."""
    rate(tmp_path / "sky.fits")
    recipe = with_own(tmp_path)
    (first,) = held(mirror, recipe).own.values()
    (tmp_path / "lib").mkdir()
    (tmp_path / "sky.fits").rename(tmp_path / "lib" / "sky.fits")
    monkeypatch.setattr(own_inputs, "science_identity", lambda path: pytest.fail("read again"))

    (moved,) = held(mirror, with_own(tmp_path, "lib/sky.fits")).own.values()

    assert len(first.identity) == 64 and "NRC_IMAGE" in first.header and not first.refusal
    assert moved == replace(first, path=str(tmp_path / "lib" / "sky.fits"))


def test_an_own_file_that_cannot_be_used_is_named_with_the_reason(mirror, tmp_path):
    """Missing, not FITS, or written while it was read."""
    recipe, path = with_own(tmp_path), tmp_path / "sky.fits"

    (missing,) = held(mirror, recipe).own.values()
    path.write_bytes(b"mine")
    (broken,) = held(mirror, recipe).own.values()
    rate(path)
    written = own_inputs.describe_own_file(path, "0" * 64, with_header=True)

    assert missing.refusal.startswith(f"{path}: No such file or directory; `jwmirror check` shows")
    assert "sky.fits" in broken.refusal and "cannot be read as FITS" in broken.refusal
    assert "was written while it was read" in written.refusal
    assert not [*mirror.root.glob("receipts/own/*")]
