"""References of exposures that differ in their moment: one look-up for each epoch, and right."""

import json
import shutil

from jwmirror.planning.resolvers.local import LocalResolver
from jwmirror_simulator.crds.context import mappings_folder
from jwmirror_simulator.crds.mappings import add_use_after_dates
from tests.unit.test_references import CONTEXT, built, cached  # noqa: F401

DELIVERED = "2025-06-01 12:00:00"


def flat_of(cache, header, *moment):
    """The flat for an exposure of a moment, as a new resolver and as CRDS itself tell it."""
    from crds import getrecommendations

    date, time = moment
    values = json.loads(header) | {"meta.observation.date": date, "meta.observation.time": time}
    flat = getrecommendations(values, reftypes=["flat"], context=CONTEXT, observatory="jwst")
    return json.dumps(values), flat["flat"]


def test_moments_before_and_after_a_delivery_have_their_own_references(
    cached, tmp_path, monkeypatch
):
    """To the second, and as CRDS says; a moment that is none is asked for by itself."""

    from crds.core import utils

    cache = tmp_path / "crds"
    shutil.copytree(cached.cache, cache)
    monkeypatch.setenv("CRDS_PATH", str(cache))
    add_use_after_dates(
        next(mappings_folder(cache).glob("jwst_nircam_flat_0001.rmap")), [DELIVERED]
    )
    utils.clear_function_caches()
    resolver = LocalResolver(cache, CONTEXT)
    moments = [
        ("2025-06-01", "11:59:59.999"),
        ("2025-06-01", "12:00:00.000"),
        ("2025-07-09", "01:02:03.400"),
        ("2025-05-09", "01:02:03.400"),
    ]

    asked = [flat_of(cache, cached.header, *moment) for moment in moments]
    found = resolver.needed((header, ["image2"]) for header, _ in asked)
    each = [resolver.needed([(header, ["image2"])]) for header, _ in asked]

    expected = [flat for _, flat in asked]
    assert len(set(expected)) == 2 and expected[0] == expected[3] != expected[1] == expected[2]
    assert [{n for n in names if "_flat_" in n} for names in each] == [{e} for e in expected]
    assert set(expected) <= set(found)
