"""The history of a product on the site: causes traced to the root, as everywhere else."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from jwmirror.core.model import Derivation, digest
from jwmirror.services.run.site import write_site
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from tests.setup.mirrors import EXPOSURE, MOSAIC, SmallMirror, image_writer, made_from, overwrite
from tests.unit.test_site import Page

RAW = f"{EXPOSURE}_uncal.fits"
write_pages = partial(write_site, budget_s=0)  # without drawing, which takes seconds


def recalibrate(mirror: SmallMirror, limit: float) -> None:
    """Make the rate of the exposure with a parameter, and the mosaic of that rate; publish."""
    rate = make(mirror, made_from("detector1", EXPOSURE, RAW, jump={"limit": limit}), "rate")
    make(mirror, made_from("image3", MOSAIC, rate), "i2d")
    mirror.publish("made again")


def make(mirror: SmallMirror, derivation: Derivation, suffix: str) -> str:
    """Make a result of what the mirror has now, so that its pixels and key depend on that."""
    sums = {row.filename: row.sha256 for row in mirror.rows.values()}
    inputs = tuple(replace(each, identity=sums[each.name]) for each in derivation.inputs)
    derivation = replace(derivation, inputs=inputs)
    filename = f"{derivation.product}_{suffix}.fits"
    mirror.make(derivation, filename, image_writer(int(digest(derivation)[:4], 16) / 1000))
    path = f"recalibrated/deep/jw01345/o001/{filename}"
    result = f"{derivation.pipeline}/{derivation.product}"
    mirror.rows[path] = replace(mirror.rows[path], result=result)
    return filename


@pytest.fixture
def two_limits(small_mirror) -> SmallMirror:
    """A mirror whose generations 2 and 3 differ in a parameter of stage 1."""
    recalibrate(small_mirror, 5.0)
    recalibrate(small_mirror, 7.0)
    return small_mirror


def history(site: Path, root: str) -> str:
    """The words of the history on the page of a product."""
    return Page(site / f"products/{root}.html").text.partition("History of versions")[2]


def record(mirror: SmallMirror, number: int) -> Path:
    """Where the site keeps how a generation differs."""
    return mirror.root / f"receipts/site/{number:06d}.json"


def test_a_mosaic_names_the_parameter_of_stage_1(two_limits):
    """On its page and on that of the generation, and not only that its input has other content."""
    site = write_pages(mirror=two_limits.root).parent

    words = "changed: jump.limit 5.0 → 7.0 (recipe deep, detector1)"
    assert f"{MOSAIC}_i2d.fits recipe deep {words}" in history(site, MOSAIC)
    assert f"{EXPOSURE}_rate.fits recipe deep {words}" in history(site, EXPOSURE)
    generation = Page(site / "generations/3.html").text
    assert generation.count("jump.limit 5.0 → 7.0") == 2
    assert "has other content" not in history(site, MOSAIC) + generation


def test_a_mosaic_names_the_raw_data_that_mast_replaced(two_limits):
    """With the observation and what MAST says of them."""
    write_pages(mirror=two_limits.root)
    two_limits.hold(RAW, image_writer(9.0), sdp_ver="2026_1")
    recalibrate(two_limits, 7.0)

    site = write_pages(mirror=two_limits.root).parent

    words = "recipe deep changed: MAST reprocessed jw01345 o001: SDP_VER 2025_2 → 2026_1"
    assert f"{MOSAIC}_i2d.fits {words}" in history(site, MOSAIC)


def test_a_record_of_an_earlier_version_is_made_again_or_kept(two_limits):
    """It is kept if the generation before was pruned: then the page names what differs directly."""
    write_pages(mirror=two_limits.root)
    for number in (2, 3):
        content = json.loads(record(two_limits, number).read_text())
        assert content.pop("causes")
        for file in content["files"]:
            file.pop("causes", None)
        record(two_limits, number).write_text(json.dumps({**content, "scheme": 1}))
    generations = Generations(two_limits.root)
    (generations.read(1).folder / "manifest.parquet").unlink()

    site = write_pages(mirror=two_limits.root).parent

    assert json.loads(record(two_limits, 2).read_text())["scheme"] == 1
    assert json.loads(record(two_limits, 3).read_text())["scheme"] == 2
    assert "jump.limit 5.0 → 7.0 (recipe deep, detector1)" in history(site, MOSAIC)
    assert "(image3)" in history(site, MOSAIC) and "results that are new" not in history(
        site, MOSAIC
    )


def test_a_pruned_generation_does_not_change_what_pages_say(two_limits):
    """The causes were kept when the page was made."""
    site = write_pages(mirror=two_limits.root).parent
    before = history(site, MOSAIC)
    for number in (1, 2):
        (Generations(two_limits.root).read(number).folder / "manifest.parquet").unlink()

    write_pages(mirror=two_limits.root, rebuild=True)

    assert history(site, MOSAIC) == before


def test_a_damaged_record_of_a_result_spoils_no_other_page(two_limits):
    """The site is written, and says what is not known any more."""
    rows = [
        row for row in two_limits.rows.values() if row.key and row.filename.endswith("_i2d.fits")
    ]
    for row in rows:
        overwrite(Provenance(two_limits.root).path(row.key), b"{")

    site = write_pages(mirror=two_limits.root).parent

    assert "the record of how cannot be read (recipe deep)" in history(site, MOSAIC)
    assert "jump.limit 5.0 → 7.0" in history(site, EXPOSURE)
    assert "We recalibrated" in Page(site / "cite.html").text
