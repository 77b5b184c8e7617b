"""A new CRDS context: held back, looked at, followed; and references for a site without network."""

import msgspec
import pytest

from jwmirror.store.generations import Generations

NOWHERE = "http://localhost:9"


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
