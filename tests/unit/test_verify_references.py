"""`jwmirror references verify`: every byte of the cache against CRDS's checksums."""

from pathlib import Path

import pytest

from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import sync_files, sync_mappings
from jwmirror.crds.verify import verify_cache
from jwmirror_simulator.crds.context import correct_reference
from tests.setup.command_line import answer, run
from tests.unit.test_references_sync import FLAT, HASTY, flip_silently, place
from tests.unit.test_watch import CONTEXT, built_root, crds_root, server  # noqa: F401

RMAP = "jwst_nircam_dark_0001.rmap"


@pytest.fixture
def cache(server, tmp_path) -> Path:
    """A synced cache: the mappings, and one flat."""
    client = CrdsClient(server.url, HASTY)
    sync_mappings(client, CONTEXT, tmp_path / "cache")
    sync_files(client, [FLAT], CONTEXT, tmp_path / "cache")
    return tmp_path / "cache"


def verify(url: str, cache: Path, *needed: str, repair: bool = False):
    """Verify a cache of which the last run needed some files."""
    return verify_cache(CrdsClient(url, HASTY), cache, needed, repair)


def test_a_sound_cache_has_no_problems(server, cache):
    """All mappings and references were read."""
    verification = verify(server.url, cache, FLAT)

    files = [path for path in cache.glob("*/jwst/**/jwst_*") if path.is_file()]
    assert verification.problems == ()
    assert verification.files == len(files)
    assert verification.bytes == sum(path.stat().st_size for path in files)
    assert verification.unreachable == ""


@pytest.mark.parametrize("name", [FLAT, RMAP])
def test_a_flipped_bit_is_found_and_repaired(server, cache, name):
    """In references and in mappings, under the same size and mtime."""
    path = place(cache) if name == FLAT else cache / "mappings" / "jwst" / RMAP
    right = path.read_bytes()
    flip_silently(path)

    (problem,) = verify(server.url, cache).problems
    (repaired,) = verify(server.url, cache, repair=True).problems

    assert (problem.kind, problem.name, problem.is_repaired) == ("wrong", name, False)
    assert problem.expected != problem.found
    assert repaired.is_repaired
    assert path.read_bytes() == right
    assert verify(server.url, cache).problems == ()


def test_a_file_that_was_corrected_or_is_missing_is_found(server, crds_root, cache):
    """What CRDS lists now counts, and what the last run needed must be there."""
    correct_reference(crds_root, FLAT)
    (cache / "mappings" / "jwst" / RMAP).unlink()

    problems = verify(server.url, cache, RMAP).problems

    assert [(problem.kind, problem.name) for problem in problems] == [
        ("missing", RMAP),
        ("wrong", FLAT),
    ]


def test_without_a_server_the_recorded_checksums_count(server, cache):
    """A file that CRDS or the record does not know cannot be verified."""
    place(cache, "jwst_nircam_flat_9999.fits").write_bytes(b"mine")
    flip_silently(place(cache))

    verification = verify("http://localhost:9", cache)

    assert verification.unreachable
    assert [(problem.kind, problem.name) for problem in verification.problems] == [
        ("wrong", FLAT),
        ("unverifiable", "jwst_nircam_flat_9999.fits"),
    ]
    assert [problem.kind for problem in verify(server.url, cache).problems] == [
        "wrong",
        "unverifiable",
    ]


def test_the_command_names_the_results_that_may_be_wrong(server, cache, small_mirror):
    """The exit code is 1 until the file is repaired."""
    config = small_mirror.root.with_name("config.yaml")
    config.write_text(
        f"mirror: {small_mirror.root}\n"
        f"references: {{url: '{server.url}', cache: {cache}}}\n"
        "programs: [1345]\n"
    )
    flip_silently(place(cache))

    page = run("references", "verify", "--config", config, code=1)
    repaired = answer("references", "verify", "--config", config, "--repair")
    after = run("references", "verify", "--config", config)

    assert f"wrong  {FLAT}  expected sha1" in page
    assert "jwmirror invalidate --reference" in page and "[generation 1]" in page
    assert [problem["is_repaired"] for problem in repaired["problems"]] == [True]
    assert len(repaired["affected"]) == 2
    assert "no problems found" in after
