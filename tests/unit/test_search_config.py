"""Searches in a config: as records, and the mistakes in them."""

import pytest

from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError
from jwmirror.core.model.search import Cone
from jwmirror.services.configure.checked_config import build_checked_config
from tests.setup.configs import parse

CIRCLE = {"ra": 360, "dec": -27.5, "radius": "30 arcsec"}


def test_entries_become_selections_and_searches():
    """By the number of a program, or by what to look for; other keys are criteria of both."""
    entries = [
        {"program": 1538, "observations": 46},
        {"targets": "M 101", "instruments": "MIRI", "candidates": "auto"},
        {"position": CIRCLE, "category": ["GO", "CAL"], "released_after": "2026-01-31"},
    ]

    config = parse({"programs": entries}, check_parameters=False)

    assert [selection.program for selection in config.selections] == [1538]
    named, circle = config.searches
    assert (named.targets, named.radius, named.place) == (("M 101",), 0.05, "programs[1]")
    assert (named.criteria.instruments, named.criteria.candidates) == (("MIRI",), ("auto",))
    assert circle.position == Cone(ra=0.0, dec=-27.5, radius=30 / 3600)
    assert (circle.categories, circle.released_after) == (("CAL", "GO"), "2026-01-31")


def test_the_place_of_a_search_is_its_line():
    """As messages of a run name it."""
    text = "programs:\n  - 1538\n  - targets: [M 101]\n"

    config = build_checked_config(parse_yaml(text, "a.yaml"), check_parameters=False)

    assert config.searches[0].place == "a.yaml, line 3: programs[1]"


def test_the_key_of_a_search_is_what_it_looks_for():
    """Other lines and criteria do not begin a search anew; another radius does."""
    entries = [
        {"targets": ["M 101"]},
        {"targets": ["M 101"], "radius": "180 arcsec", "products": ["cal"]},
        {"targets": ["M 101"], "radius": "4 arcmin"},
        {"targets": ["M 101"], "program": 1538},
    ]

    searches = parse({"programs": entries}, check_parameters=False).searches

    keys = [search.key for search in searches]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("entries", "programs"),
    [
        ([1538, {"category": "GO"}], ()),
        ([1538, {"program": 1345, "category": "GO"}], (1538, 1345)),
        ([1538], (1538,)),
    ],
)
def test_a_recipe_without_programs_takes_what_searches_find(entries, programs):
    """If they may find further programs, it takes all that are mirrored."""
    (recipe,) = parse({"programs": entries, "recipes": {"deep": {}}}, False).recipes

    assert recipe.programs == programs
    assert recipe.takes(1538)
    assert recipe.takes(9999) == (not programs)


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({"instruments": ["MIRI"]}, "missing key program (or, to search MAST: targets, position"),
        ({"category": "ERS", "observations": 1}, "observations: it belongs to one program: add"),
        ({"category": "ERS", "candidates": "c1001"}, "candidates: it belongs to one program: add"),
        ({"targets": "M 1", "position": CIRCLE}, "position: found beside `targets`; make two"),
        ({"program": 1538, "radius": "1 deg"}, "radius: found without `targets`"),
        ({"targets": "M 1", "radius": 3}, "found 3, expected a radius with its unit"),
        ({"targets": "M 1", "radius": "0 deg"}, "found '0 deg', expected more than 0"),
        ({"position": {**CIRCLE, "radius": "11 deg"}}, "position.radius: found '11 deg'"),
        ({"position": {**CIRCLE, "dec": 91}}, "position.dec: found 91, expected at most 90"),
        ({"position": {"ra": 1, "dec": 1}}, "position: missing key radius"),
        ({"position": {**CIRCLE, "ra": "10:00:00"}}, "position.ra: found '10:00:00'"),
        ({"category": "XX"}, "category[0]: unknown value 'XX'; allowed are CAL, COM"),
        ({"released_after": "2026-02-30"}, "found 2026-02-30, which is not a date"),
        ({"targets": []}, "targets: found []"),
    ],
)
def test_mistakes_name_the_entry(entry, mistake):
    """And what to write in its place."""
    with pytest.raises(ConfigError) as error:
        parse({"programs": [entry]}, check_parameters=False)

    assert mistake in str(error.value)
    assert "programs[0]" in str(error.value)
