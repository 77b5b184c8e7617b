"""What recipes take from upstream's files: read once, remembered, and never for nothing."""

import json
from dataclasses import replace

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Recipe
from jwmirror.services.run.holdings import describe_holdings
from jwmirror.store.objects import Objects
from jwmirror_simulator.operations.associations import pool_text
from jwmirror_simulator.telescope.program import demo_program, exposures_of

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
