"""The watch over references: corrected in place, declared invalid, or without a checksum."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.model import Poll, Recipe, References
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import sync_files, sync_mappings
from jwmirror.crds.watch import known_sums, watch_files
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.services.run import references
from jwmirror_simulator.crds.context import (
    add_context,
    build_context,
    correct_reference,
    mappings_folder,
)
from jwmirror_simulator.crds.mappings import correct_mapping
from jwmirror_simulator.crds.server import ReferenceServer
from tests.setup.configs import policy_of
from tests.unit.test_references_sync import FLAT, HASTY, place

OWN_CONTEXTS = {"deep": "", "same": "jwst_0001.pmap", "other": "jwst_0002.pmap"}
OWN_CONTEXTS |= {"former": "jwst_0009.pmap"}  # which CRDS does not have
CONTEXT, RMAP = "jwst_0001.pmap", "jwst_nircam_flat_0001.rmap"


@pytest.fixture(scope="module")
def built_root(tmp_path_factory) -> Path:
    """A small CRDS: one NIRCam detector, and a second flat that the first context does not name."""
    root = tmp_path_factory.mktemp("built") / "crds"
    build_context(root, detectors=["NRCB1"], filters=["F200W"], fgs=False)
    add_context(root, detector="NRCB1", filter_name="F200W", subarray="SUB160")
    return root


@pytest.fixture
def crds_root(built_root, tmp_path) -> Path:
    """A copy of it, to be edited."""
    return shutil.copytree(built_root, tmp_path / "crds")


@pytest.fixture
def server(crds_root):
    """Serves it."""
    with ReferenceServer(crds_root) as server:
        yield server


def synced(server: ReferenceServer, cache: Path, last: References | None = None) -> References:
    """Sync the context and one flat as a run does, and return its record, with findings."""
    client = CrdsClient(server.url, HASTY)
    before = known_sums(cache, last)
    mappings = sync_mappings(client, CONTEXT, cache)
    files = sync_files(client, [FLAT], CONTEXT, cache)
    now = References(context=CONTEXT, server=server.url, files=files, mappings=mappings)
    return replace(now, findings=watch_files(client, cache, before, now))


def test_nothing_is_found_where_nothing_changed(server, tmp_path):
    """Also not by the first sync, which knows no earlier files."""
    first = synced(server, tmp_path)

    second = synced(server, tmp_path, first)

    assert first.findings == second.findings == ()


def test_a_corrected_reference_is_found_and_replaced(server, crds_root, tmp_path):
    """The finding is about results of the former bytes only; the next sync is silent."""
    cache = tmp_path / "cache"
    first = synced(server, cache)
    correct_reference(crds_root, FLAT)

    second = synced(server, cache, first)

    (finding,) = second.findings
    assert (finding.kind, finding.name, finding.sha1) == ("corrected", FLAT, first.files[FLAT])
    assert place(cache).read_bytes() == place(crds_root).read_bytes()
    assert finding.is_about({"flat": (FLAT, first.files[FLAT])}, CONTEXT)
    assert not finding.is_about({"flat": (FLAT, second.files[FLAT])}, CONTEXT)
    assert synced(server, cache, second).findings == ()


def test_a_corrected_rmap_is_found_and_replaced(server, crds_root, tmp_path):
    """The finding is about flats of NIRCam only, under a context that includes the rmap."""
    cache, other = tmp_path / "cache", "jwst_nircam_flat_0002.fits"
    first = synced(server, cache)
    correct_mapping(mappings_folder(crds_root) / RMAP, f"'{FLAT}'", f"'{other}'")

    second = synced(server, cache, first)

    (finding,) = second.findings
    assert (finding.kind, finding.name) == ("corrected", RMAP)
    assert finding.contexts == (CONTEXT,)
    assert finding.is_about({"flat": (FLAT, "")}, CONTEXT)
    assert not finding.is_about({"flat": (FLAT, "")}, "jwst_0002.pmap")
    assert not finding.is_about({"flat": ("jwst_miri_flat_0001.fits", "")}, CONTEXT)
    assert not finding.is_about({"dark": ("jwst_nircam_dark_0001.fits", "")}, CONTEXT)
    assert f"'{other}'" in (mappings_folder(cache) / RMAP).read_text()


def test_a_file_that_crds_no_longer_knows_is_used_and_reported(server, crds_root, tmp_path):
    """It was verified before; nothing says that it is wrong."""
    cache = tmp_path / "cache"
    first = synced(server, cache)
    place(crds_root).unlink()

    second = synced(server, cache, first)

    assert [(finding.name, finding.kind) for finding in second.findings] == [(FLAT, "unverified")]
    assert place(cache).is_file()


def test_another_mirror_with_the_same_cache_sees_the_correction_too(server, crds_root, tmp_path):
    """The cache has the corrected file already, but the last run of this mirror had the former."""
    cache = tmp_path / "cache"
    first = synced(server, cache)
    correct_reference(crds_root, FLAT)
    synced(server, cache, first)

    second = synced(server, cache, first)

    assert [finding.name for finding in second.findings] == [FLAT]


@pytest.mark.parametrize("name", [FLAT, RMAP])
def test_a_retracted_file_is_found_even_without_a_server(server, tmp_path, name):
    """The list of the last answer counts; a file of another context is not in use."""
    server.retract(name)
    server.retract("jwst_nircam_flat_0002.fits")
    first = synced(server, tmp_path)
    server.stop()

    client = CrdsClient("http://localhost:9", HASTY)
    later = watch_files(client, tmp_path, known_sums(tmp_path, first), first)

    assert [(finding.name, finding.kind) for finding in first.findings] == [(name, "retracted")]
    assert later == first.findings
    assert later[0].is_about({"flat": (FLAT, "any")}, CONTEXT)


@pytest.mark.parametrize(
    "facts", [{"sha1sum": "none"}, {"rejected": "true"}, {"blacklisted": "true"}]
)
def test_a_file_without_a_usable_checksum_is_reported(server, tmp_path, facts):
    """It is used, because the context names it, but not silently."""
    server.describe_as(FLAT, **facts)

    (finding,) = synced(server, tmp_path).findings

    assert (finding.name, finding.kind) == (FLAT, "unverified")
    assert place(tmp_path).is_file()


def test_a_correction_is_not_forgotten_when_another_server_is_asked(
    server, small_mirror, tmp_path, monkeypatch
):
    """Results that were made with the former file are published as before."""
    found = ReferenceFinding(name=FLAT, kind="corrected", message="now 6b", sha1="5a" * 20)
    last = References(context=CONTEXT, server="http://other", files={}, findings=(found,))
    small_mirror.record("references.json", last)
    monkeypatch.setattr(references, "headers_and_pipelines", lambda *_: ("some",))
    monkeypatch.setattr(references, "_needed", lambda *_: ((CONTEXT, {FLAT}),))
    counted = []
    monkeypatch.setattr(Heartbeats, "_write", lambda self: counted.append(self._fetched()))

    synced_now = references.sync_references(
        mirror=small_mirror.root,
        poll=Poll(listings=(), changes=()),
        settling=None,
        recipes=(),
        policy=policy_of(server.url, tmp_path / "cache", context=CONTEXT),
        run=small_mirror.run_folder,
    )

    assert synced_now.findings == (replace(found, is_new=False),)
    assert counted and counted[0].files <= counted[0].expected_files  # a heartbeat, for people


def test_a_context_that_only_a_recipe_names_does_not_stop_the_others(
    server, small_mirror, tmp_path, monkeypatch
):
    """That recipe is left out, with the reason; the references of the others are synced."""
    asked = []
    monkeypatch.setattr(references, "headers_and_pipelines", lambda *_: ("some",))

    def needed(client, context, cache, holdings, recipes):
        asked.extend(recipe.name for recipe in recipes)
        return ((CONTEXT, {FLAT}),)

    monkeypatch.setattr(references, "_needed", needed)
    recipes = [Recipe(name=name, programs=(), context=c) for name, c in OWN_CONTEXTS.items()]

    synced_now = references.sync_references(
        mirror=small_mirror.root,
        poll=Poll(listings=(), changes=()),
        settling=None,
        recipes=recipes,
        policy=policy_of(server.url, tmp_path / "cache", context=CONTEXT),
    )

    assert asked == ["deep", "same", "other"] and set(synced_now.files) == {FLAT}
    ((context, why),) = synced_now.missing_contexts.items()
    assert context == "jwst_0009.pmap"
    assert "the nearest of its contexts: jwst_0001.pmap, jwst_0002.pmap;" in why
