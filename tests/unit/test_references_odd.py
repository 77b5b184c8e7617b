"""Odd headers and odd answers of CRDS: each affects its own exposure only."""

import json
import shutil

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.planning.resolvers.by_environment import resolvers_of
from jwmirror.planning.resolvers.local import LocalResolver
from jwmirror_simulator.crds.context import mappings_folder
from jwmirror_simulator.crds.mappings import add_use_after_dates, correct_mapping
from tests.unit.test_references import CONTEXT, built, cached  # noqa: F401

DATE, TIME, INSTRUMENT = (
    "meta.observation.date",
    "meta.observation.time",
    "meta.instrument.name",
)
WISH = {"steps": {}}


def with_values(header: str, **values: str) -> str:
    """The header of another exposure: some values replaced."""
    return json.dumps(json.loads(header) | values)


@pytest.fixture
def cache(cached, tmp_path, monkeypatch):
    """A copy of the cache, to be edited."""
    from crds.core import utils

    shutil.copytree(cached.cache, tmp_path / "crds")
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    utils.clear_function_caches()
    return tmp_path / "crds"


@pytest.mark.parametrize(
    ("date", "time"), [("20220601", "00:00:00"), ("2022-06-01", "12"), ("12", "00:00:00"), ("", "")]
)
def test_a_moment_that_crds_cannot_read_is_refused_alone(cached, cache, date, time):
    """Python reads some of them; the exposures asked for before and after get their references."""
    add_use_after_dates(
        mappings_folder(cache) / "jwst_nircam_flat_0001.rmap", ["2022-01-01 00:00:00"]
    )
    bad = with_values(cached.header, **{DATE: date, TIME: time})
    good = with_values(cached.header, **{DATE: "2022-06-01", TIME: "00:00:00"})
    alone = LocalResolver(cache, CONTEXT).needed([(good, ["image2"])])
    resolver = LocalResolver(cache, CONTEXT)

    needed = resolver.needed([(bad, ["image2"]), (good, ["image2"])])

    with pytest.raises(CalibrationError, match=f"as 2022-06-01 12:00:00, found '{date} {time}'"):
        resolver.resolve("image2", bad, WISH)
    assert needed == alone
    assert any("flat" in name for name in alone)


@pytest.mark.parametrize("name", [" NIRCAM", "NIRCAM ", "nircam"])
def test_blanks_around_the_instrument_change_no_answer(cached, name):
    """Nor do such exposures share one answer, whatever their filter is."""
    odd = with_values(cached.header, **{INSTRUMENT: name})
    other = with_values(odd, **{"meta.instrument.filter": "F444W"})
    resolver = LocalResolver(cached.cache, CONTEXT)

    references = resolver.resolve("image2", odd, WISH).references

    assert (
        references
        == LocalResolver(cached.cache, CONTEXT).resolve("image2", cached.header, WISH).references
    )
    with pytest.raises(CalibrationError, match="F444W"):
        resolver.resolve("image2", other, WISH)


def test_an_unknown_instrument_is_refused_alone(cached):
    """The references of others are still known."""
    odd = with_values(cached.header, **{INSTRUMENT: "WFPC2"})
    resolver = LocalResolver(cached.cache, CONTEXT)

    needed = resolver.needed([(odd, ["image2"]), (cached.header, ["image2"])])

    assert needed == resolver.needed([(cached.header, ["image2"])])
    with pytest.raises(CalibrationError, match=r"Unknown instrument .wfpc2"):
        resolver.resolve("image2", odd, WISH)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("flat", "jwst_nircam_flat_0001.fits"),
        ("pars-tweakregstep", "jwst_nircam_pars-tweakregstep_0001.asdf"),
    ],
)
def test_an_answer_with_several_files_is_refused_with_their_names(cached, cache, kind, file):
    """Also of a parameter reference, which a gap would leave out silently; others go on."""
    rmap = mappings_folder(cache) / f"jwst_nircam_{kind}_0001.rmap"
    correct_mapping(rmap, f"'{file}'", f"('{file}', 'other.fits')")
    resolver = LocalResolver(cache, CONTEXT)
    pipeline = "image2" if kind == "flat" else "image3"

    with pytest.raises(CalibrationError, match=rf"{kind}.*several files: {file}, other\.fits"):
        resolver.resolve(pipeline, cached.header, WISH)
    assert resolver.resolve("detector1", cached.header, WISH).references["dark"]
    assert resolver.needed([(cached.header, [pipeline])])


def retracted(name: str) -> ReferenceFinding:
    """What the sync reports about a file that CRDS has declared invalid."""
    return ReferenceFinding(name=name, kind="retracted", message="", contexts=(CONTEXT,))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jwst_nircam_flat_0001.fits", r"used by flat_field, .*override_flat.*skip.*context"),
        ("jwst_nircam_flat_0001.rmap", r"used by all steps, .*name another context"),
        ("jwst_0001.pmap", r"used by all steps, .*name another context"),
    ],
)
def test_a_retracted_file_is_refused_with_its_step_and_the_ways_out(cached, name, words):
    """A file that is not used, or an override, is no reason to refuse."""
    resolvers = resolvers_of(cached.cache, CONTEXT, findings=[retracted(name)])
    stage = resolvers.of("").resolve("image2", cached.header, WISH)
    other = resolvers_of(cached.cache, CONTEXT, findings=[retracted("jwst_miri_flat_0001.rmap")])

    with pytest.raises(CalibrationError, match=f"image2: {name} of {CONTEXT}, {words}"):
        resolvers.refuse_retracted("image2", stage)
    other.refuse_retracted("image2", stage)


def test_an_override_of_a_retracted_reference_is_a_way_out(cached, tmp_path):
    """So is a skipped step."""
    (tmp_path / "mine.fits").write_bytes(b"flat")
    resolvers = resolvers_of(
        cached.cache, CONTEXT, findings=[retracted("jwst_nircam_flat_0001.fits")]
    )
    ways = ({"override_flat": str(tmp_path / "mine.fits")}, {"skip": True})

    stages = [
        resolvers.of("").resolve("image2", cached.header, {"steps": {"flat_field": way}})
        for way in ways
    ]

    for stage in stages:
        resolvers.refuse_retracted("image2", stage)
