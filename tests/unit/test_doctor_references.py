"""`jwmirror doctor`: the checks of CRDS see unknown contexts and mappings without checksum."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jwmirror.core.jsonio import write
from jwmirror.crds.cache import VerifiedCache, config_folder
from jwmirror.crds.client import CrdsClient
from jwmirror.net.http import Timeouts
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor.references import (
    ReferencesVisit,
    cache_check,
    is_cached,
    reference_checks,
)
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.crds.server import ReferenceServer
from tests.setup.configs import parse

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceServer]:
    """A small CRDS."""
    root = tmp_path_factory.mktemp("crds")
    build_context(root, detectors=["NRCB1"], filters=["F200W"], fgs=False)
    with ReferenceServer(root) as server:
        yield server


@pytest.fixture
def check(server: ReferenceServer) -> Iterator[Callable[[str], dict[str, Check]]]:
    """Check a context, and return the checks by subject."""

    def check(policy: str) -> dict[str, Check]:
        checks = reference_checks(CrdsClient(server.url, HASTY), policy)
        return {each.subject: each for each in checks}

    yield check
    server.clear_faults()


@pytest.mark.parametrize("policy", ["build", "latest", "jwst_0001.pmap"])
def test_a_context_that_crds_knows_is_ok(check, policy):
    """However it is named in the config."""
    checks = check(policy)

    assert [each.outcome for each in checks.values()] == ["ok", "ok"]
    assert "jwst_0001.pmap" in checks["context"].found


def test_an_unknown_context_fails(check):
    """The next step is another name."""
    found = check("jwst_9999.pmap")["context"]

    assert found.outcome == "fail" and "references.context" in found.step


@pytest.mark.parametrize(
    ("statement", "words"),
    [({"sha1sum": "none"}, "no checksum"), ({"rejected": "true"}, "rejected")],
)
def test_a_mapping_that_cannot_be_verified_is_a_warning(check, server, statement, words):
    """It is named."""
    server.describe_as("jwst_0001.pmap", **statement)

    found = check("latest")["mappings"]

    assert found.outcome == "warn"
    assert words in found.found and "jwst_0001.pmap" in found.found


def test_a_cache_that_may_only_be_read_has_to_have_the_context(tmp_path, monkeypatch):
    """As at a site without network."""
    monkeypatch.setattr("os.access", lambda path, mode: False)
    without = cache_check(tmp_path, "jwst_0001.pmap")
    folder = config_folder(tmp_path)
    folder.mkdir(parents=True)
    for name in ("server_config", "ref_cache_subdir_mode"):
        (folder / name).touch()
    contexts = {"jwst_0001.pmap": ("jwst_0001.pmap",)}
    write(folder / "jwmirror_verified.json", VerifiedCache(contexts=contexts))

    assert (without.outcome, cache_check(tmp_path, "jwst_0001.pmap").outcome) == ("fail", "ok")
    assert is_cached(tmp_path, "jwst_0001.pmap") and not is_cached(tmp_path, "build")


def test_a_cache_that_does_not_exist_yet_can_be_made(tmp_path: Path):
    """By the folder above it."""
    assert cache_check(tmp_path / "new" / "cache", "build").outcome == "ok"


def test_contexts_of_recipes_are_tried_too(server, tmp_path):
    """Each by the names of its recipes; one that CRDS lacks fails, with the nearest ones."""
    contexts = {"deep": "", "former": "jwst_0001.pmap", "same": "jwst_0001.pmap"}
    recipes = {name: {"context": c} for name, c in contexts.items() if c} | {"deep": {}}
    recipes |= {"typo": {"context": "jwst_9999.pmap"}}
    at = {"references": {"url": server.url, "cache": str(tmp_path), "context": "latest"}}
    config = parse({"programs": [{"program": 1345}], "recipes": recipes, **at}, False)

    checks = {check.subject: check for check in ReferencesVisit(config=config).checks()}

    assert checks["context of former, same"].outcome == "ok"
    typo = checks["context of typo"]
    assert typo.outcome == "fail" and "the nearest of its contexts: jwst_0001.pmap" in typo.found
    assert "`context` of the recipe" in typo.step
