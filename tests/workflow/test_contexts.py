"""A new CRDS context: held back, looked at, followed; and references for a site without network."""

import msgspec
import pytest
from astropy.io import fits

from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance

NOWHERE = "http://localhost:9"
EXPOSURE = "jw01345001001_02101_00001_nrcb1"
ONE_MORE = {
    "match": {"file": f"{EXPOSURE}*"},
    "parameters": {"image2": {"photom": {"apply_time_correction": False}}},
}


def derivation_of(site, row):
    """How the result was made whose file a row is."""
    return Provenance(site.mirror).read(row.key).derivation


def computing(site, *words):
    """How many results of each pipeline `jwmirror plan` says the next run computes."""
    told = site.jwmirror_on_config("plan", "--json", *words)
    plan = msgspec.json.decode(told)
    pipelines = [name for each in plan["out_of_date"] for name in each["pipelines"]]
    return {name: pipelines.count(name) for name in set(pipelines)}, plan["notes"]


@pytest.mark.slow
def test_a_new_context_waits_shows_its_effect_and_is_followed(site):
    """Held, a run costs nothing; what the plan then foretells is computed once it is named."""
    first, before = site.run().references.context, Generations(site.mirror).current()
    site.observatory.new_context(detector="NRCB1", filter="F200W")
    site.configure(references={"on_new_context": "hold"})

    site.snakemake()
    held, unchanged = site.run().references, site.tally()
    assert (unchanged.fetched, unchanged.computed) == (frozenset(), {})
    assert not site.run().published.is_new and Generations(site.mirror).current() == before
    assert site.observatory.archive.downloads() == []
    nothing, notes = computing(site)
    foretold, _ = computing(site, "--context", "latest")
    site.configure(references={"on_new_context": "hold", "context": held.offered})
    site.snakemake()

    assert (held.context, held.offered) != (first, "") and held.context == first
    assert nothing == {} and any(held.offered in note for note in notes)
    assert site.run().references.context == held.offered
    assert site.tally().computed == foretold == {"image2": 4, "image3": 1}

    former = {"extends": "deep", "context": first, "stages": [1, 2], "where": [ONE_MORE]}
    site.configure(recipes={"former": former})
    site.snakemake()

    assert site.run().published.recipes == ("deep", "former")  # in the order of the config
    assert site.tally().computed == {"image2": 1}  # with former references, the others are stored
    rows = {(row.origin, row.filename): row for row in site.entries().values()}
    mine, other = (rows[recipe, f"{EXPOSURE}_cal.fits"] for recipe in ("former", "deep"))
    assert (mine.context, other.context) == (first, held.offered)
    assert fits.getval(site.mirror / "current" / mine.path, "CRDS_CTX") == first
    flats = [derivation_of(site, row).references["flat"] for row in (mine, other)]
    assert flats[0] != flats[1]
    compared = site.jwmirror("diff", ":former", ":deep", f"{EXPOSURE}_cal.fits").decode()
    assert flats[0][0] in compared and flats[1][0] in compared


@pytest.mark.slow
def test_a_bundle_serves_a_site_without_crds(site):
    """With the bundle for a cache, a run finds all references, though no server answers."""
    bundle = site.folder / "bundle"
    context = site.run().references.context
    site.jwmirror_on_config("references", "bundle", "--to", str(bundle))
    parameters = {"image3": {"source_catalog": {"snr_threshold": 12.0}}}

    site.configure(
        references={"url": NOWHERE, "cache": str(bundle), "context": context},
        recipes={"deep": {"parameters": parameters}},
    )
    site.snakemake()

    assert site.tally().computed == {"image3": 3}
