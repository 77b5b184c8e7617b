"""`jwmirror doctor`: the catalogue service is tried where mosaics are aligned to its stars."""

from collections.abc import Callable

import pytest

from jwmirror.core.model import Product
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor.stars import StarsVisit
from jwmirror_simulator.gaia.service import CatalogueServer
from jwmirror_simulator.gaia.stars import stars_of_program
from jwmirror_simulator.mast import faults
from jwmirror_simulator.telescope.program import demo_program
from tests.setup.configs import parse
from tests.setup.records import product

NOWHERE = "http://127.0.0.1:9"
TWEAKREG = {"image3": {"tweakreg": {"abs_refcat": "GAIADR3"}}}
ALIGNED = {"parameters": TWEAKREG}
IN_A_BLOCK = {"where": [{"match": {"filter": "F200W"}, "parameters": TWEAKREG}]}
NIRISS = product("jw01345001001_02101_00001_nis_uncal.fits", instrument="NIRISS")
NIRCAM = product("jw01345001001_02101_00001_nrcb1_uncal.fits", instrument="NIRCAM")


@pytest.fixture
def server():
    """The simulated service."""
    with CatalogueServer(lambda: stars_of_program(demo_program())) as server:
        yield server


def examine(url: str, recipe: dict, *selected: Product) -> list[Check]:
    """The checks for a config with one recipe."""
    gaia = {"references": {"gaia": {"url": url}}}
    config = parse({"programs": [{"program": 1345}], "recipes": {"deep": recipe}, **gaia}, False)
    return list(StarsVisit(config=config, selected=selected).checks())


@pytest.mark.parametrize(
    ("recipe", "selected"), [(ALIGNED, NIRCAM), (IN_A_BLOCK, NIRCAM), ({}, NIRISS)]
)
def test_a_service_that_lists_stars_is_ok(server, recipe, selected):
    """If a recipe names the catalogue, or CRDS's parameters for the instrument do."""
    (check,) = examine(server.url, recipe, selected)

    assert (check.subject, check.outcome, check.step) == ("Gaia", "ok", "")
    assert "lists stars of GAIADR3" in check.found
    assert [query.get("CAT") for query in server.requests] == [None, "GAIADR3"]


@pytest.mark.parametrize(
    ("recipe", "selected"),
    [({}, NIRCAM), (ALIGNED | {"stages": [1, 2]}, NIRCAM), ({"stages": [1, 2]}, NIRISS)],
)
def test_a_service_that_no_mosaic_needs_is_not_asked(server, recipe, selected):
    """Its state does not matter."""
    assert examine(server.url, recipe, selected) == []
    assert server.requests == []


@pytest.mark.parametrize(("recipe", "outcome"), [(ALIGNED, "fail"), ({}, "warn")])
def test_a_service_that_is_down_is_seen(recipe, outcome):
    """It fails only where a recipe asks for it; the step says what waits."""
    (check,) = examine(NOWHERE, recipe, NIRISS)

    assert check.outcome == outcome and "127.0.0.1:9 does not answer" in check.found
    assert "references.gaia.url" in check.step and "wait; a run does the rest" in check.step


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.html_page(), "with a web page"),
        (faults.json_page(), "columns"),
        (faults.truncate_after(100), "bytes came"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_answers_that_are_no_lists_of_stars_fail(server, fault: Callable, words):
    """A server that answers is not yet the service."""
    server.fault(fault)

    (check,) = examine(server.url, ALIGNED)

    assert check.outcome == "fail" and words in check.found
