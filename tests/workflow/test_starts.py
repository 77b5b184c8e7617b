"""Recipes that take a part of a program, and that start from MAST's products, end to end."""

import pytest


@pytest.mark.slow
def test_a_part_of_a_program_and_a_start_from_rates(site):
    """A part with the same parameters finds all made; from MAST's rates only the rest is computed.

    Both have their associations from the pool by jwst's rules, which name and order them as MAST.
    """
    part = {"extends": "deep", "observations": [2]}
    site.configure(recipes={"part": part, "from-rate": {**part, "stages": [2, 3]}})
    before = {entry.filename for entry in site.entries().values() if entry.origin == "deep"}

    site.snakemake()

    made = {
        origin: {entry.filename for entry in site.entries().values() if entry.origin == origin}
        for origin in ("part", "from-rate")
    }
    assert site.tally().computed == {"image2": 3, "image3": 1}
    assert made["part"] == {name for name in before if "002001_" in name or "-o002_" in name}
    assert made["from-rate"] == {name for name in made["part"] if "_rate" not in name}
    assert not site.run().waits
