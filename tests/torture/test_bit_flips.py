"""Bits that flipped are found by a full look, and mended as far as MAST has what was there."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from jwmirror.archive.transfer import MastDownloader
from jwmirror.core.model import Entry, Version
from jwmirror.store.entries import upstream_path
from jwmirror.store.generations import Generations
from jwmirror.store.losses import read_losses
from jwmirror.store.maintenance.verify import object_path, verify
from jwmirror.store.objects import Objects
from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.command_line import answer
from tests.setup.listings import ask_mast
from tests.setup.mirrors import flip_bit
from tests.torture.mill import SEED, publish, times, upstream

FILES, AT_ONCE = 40, 20
ROUNDS = times(50, 500)
HELD = 1100  # products of the archive
UNCHANGED, REPROCESSED, GONE = 600, 100, 300  # of those that a bit flips in
CONFIG = """
mirror: {root}
archive: {{url: "{url}"}}
references: {{url: "http://localhost:1"}}
programs: [{{program: 1345}}]
"""


@pytest.mark.slow
def test_a_full_look_finds_every_flipped_bit(chamber):
    """1,000 bits in random places of random objects, twenty at a time: all found, no other."""
    random, root = Random(SEED), chamber / "mirror"
    rows = upstream(root, {f"{n}": random.randbytes(random.randint(1, 6000)) for n in range(FILES)})
    publish(root, rows)
    for _ in range(ROUNDS):
        hit = {row: random.randrange(row.size * 8) for row in random.sample(rows, AT_ONCE)}
        for row, bit in hit.items():
            flip_bit(Objects(root).path(row.sha256), bit)

        problems = verify(root, full=True).problems

        assert {each.path for each in problems} == {object_path(row.sha256) for row in hit}
        for row, bit in hit.items():
            flip_bit(Objects(root).path(row.sha256), bit)
    assert verify(root, full=True).problems == ()


@pytest.fixture
def full_archive(chamber, port) -> Iterator[Archive]:
    """A served archive of many small exposures."""
    (chamber / "taken").mkdir()
    names = [f"jw01345001001_02101_{n:05d}_nrcb1_rate.fits" for n in range(1, HELD + 1)]
    taken = [
        toy_fits(chamber / "taken", name, seed=seed, pixels=4) for seed, name in enumerate(names)
    ]
    with Archive(chamber / "archive", port) as archive:
        archive.publish(*taken)
        yield archive


def mirrored(url: str, root: Path) -> list[Entry]:
    """Fetch and publish all that the archive has; the rows."""
    rows = []
    products = ask_mast(url).products
    for each in MastDownloader(url).download(products, root / "into", root / "quarantine"):
        version = Version(product=each.product, sha256=each.sha256, size=each.size)
        Objects(root).add_versions([version], [each.path])
        facts = {"sha256": each.sha256, "size": each.size, "product": each.product}
        rows.append(Entry(path=upstream_path(each.product), origin="upstream", **facts))
    Generations(root).publish(rows, "first", {})
    return rows


@pytest.mark.slow
def test_a_thousand_flips_are_found_and_mended_or_told(full_archive, process, chamber):
    """What MAST has unchanged is fetched again; each of the rest is told as lost, with why."""
    random, root, config = Random(SEED), chamber / "mirror", chamber / "config.yaml"
    rows = process.submit(mirrored, full_archive.url, root).result()
    config.write_text(CONFIG.format(root=root, url=full_archive.url))
    hit = random.sample(rows, UNCHANGED + REPROCESSED + GONE)
    same, other = hit[:UNCHANGED], hit[UNCHANGED : UNCHANGED + REPROCESSED]
    gone = hit[UNCHANGED + REPROCESSED :]
    for row in hit:
        flip_bit(Objects(root).path(row.sha256), random.randrange(row.size * 8))
    for row in other:
        full_archive.reprocess(row.filename, edits.same_size)
    full_archive.withdraw(*(row.filename for row in gone))
    fetched = len(full_archive.downloads())

    asked = ("verify", "--full", "--config", config)
    found = process.submit(answer, *asked, code=1).result()
    done = process.submit(answer, *asked, "--repair", code=1).result()

    path = {row: object_path(row.sha256) for row in hit}
    assert len(rows) == HELD and len(set(path.values())) == 1000
    assert {each["path"] for each in found["problems"]} == set(path.values())
    assert len(found["problems"]) == len(done["outcomes"]) == 1000
    outcomes = {each["problem"]["path"]: each for each in done["outcomes"]}
    for row in hit:
        outcome = outcomes[path[row]]
        assert f"the damaged bytes are in quarantine/{row.sha256}.damaged" in outcome["done"]
        assert outcome["is_mended"] == (row in same)
    for some, why in ((other, "has another version now"), (gone, "no longer lists it")):
        for row in some:
            assert f"lost, {row.path}: MAST {why}" in outcomes[path[row]]["done"]
            assert why in read_losses(root)[row.sha256].why
            assert not Objects(root).has(row.sha256)
    assert len(full_archive.downloads()) - fetched == UNCHANGED
    assert len(list((root / "quarantine").glob("*.damaged"))) == 1000
    left = verify(root, full=True).problems
    assert {each.path for each in left} == {path[row] for row in (*other, *gone)}
    assert all("lost" in each.found for each in left)
