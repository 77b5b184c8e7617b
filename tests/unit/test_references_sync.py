"""The reference cache: synced file by file, verified before it bears its name, usable offline."""

import ast
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jwmirror.crds.cache
from jwmirror.core.errors import ReferencesError
from jwmirror.crds.bundle import write_bundle
from jwmirror.crds.cache import CacheHashes, ledger_of, read_verified
from jwmirror.crds.client import CrdsClient, UnreachableError
from jwmirror.crds.sync import resolve_context, sha1s_of, sync_files, sync_mappings
from jwmirror.net.http import Timeouts
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.crds.server import ReferenceServer

HASTY = Timeouts(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
FLAT = "jwst_nircam_flat_0001.fits"


@pytest.fixture(scope="module")
def crds_root(tmp_path_factory) -> Path:
    """A small CRDS: one NIRCam detector."""
    root = tmp_path_factory.mktemp("crds")
    build_context(root, detectors=["NRCB1"], filters=["F200W"], fgs=False)
    return root


@pytest.fixture
def server(crds_root):
    """Serves it; faults do not outlive a test."""
    with ReferenceServer(crds_root) as server:
        yield server


@pytest.fixture
def cache(tmp_path) -> Path:
    """An empty CRDS cache."""
    return tmp_path / "cache"


def sync(
    server: ReferenceServer, cache: Path, *names: str, ledger: Path | None = None
) -> dict[str, str]:
    """Sync the latest context and some references of it."""
    context = resolve_context(CrdsClient(server.url, HASTY), "latest", cache)
    sync_mappings(CrdsClient(server.url, HASTY), context, cache, ledger)
    return sync_files(CrdsClient(server.url, HASTY), names, context, cache, ledger)


def place(cache: Path, name: str = FLAT) -> Path:
    """Where the cache keeps a NIRCam reference."""
    return cache / "references" / "jwst" / "nircam" / name


@pytest.mark.parametrize("policy", ["build", "latest"])
def test_a_policy_resolves_to_the_context_of_the_server(policy, server, cache):
    """Build and latest are what the server says they are."""
    server.build, server.latest = "jwst_1400.pmap", "jwst_1500.pmap"

    context = resolve_context(CrdsClient(server.url, HASTY), policy, cache)

    assert context == getattr(server, policy)


def test_a_named_context_asks_nobody(cache):
    """A context given by name is itself."""
    context = resolve_context(CrdsClient("http://localhost:9"), "jwst_1464.pmap", cache)

    assert context == "jwst_1464.pmap"


@pytest.mark.parametrize("policy", ["operational", "jwst_1464", "../jwst_1464.pmap"])
def test_an_unknown_policy_is_an_error(policy, server, cache):
    """What is neither a policy nor a context is refused with what is allowed."""
    with pytest.raises(ReferencesError, match="expected build, latest or jwst_NNNN"):
        resolve_context(CrdsClient(server.url, HASTY), policy, cache)


def test_no_server_is_an_error_and_no_other_context(cache):
    """Where nobody answers, no context is guessed."""
    with pytest.raises(ReferencesError, match=r"references\.url"):
        resolve_context(CrdsClient("http://localhost:9", HASTY), "build", cache)


def test_an_answer_that_is_no_context_is_an_error(server, cache):
    """A context's name is checked before it is believed."""
    server.latest = "none"

    with pytest.raises(ReferencesError, match=r"expected jwst_NNNN\.pmap, got 'none'"):
        resolve_context(CrdsClient(server.url, HASTY), "latest", cache)


def test_references_arrive_under_their_names_with_their_sha1(server, cache, crds_root):
    """A synced file is the server's, byte for byte."""
    sums = sync(server, cache, FLAT, "N/A")

    assert list(sums) == [FLAT]
    assert place(cache).read_bytes() == place(crds_root).read_bytes()
    assert place(cache).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("policy", ["build", "latest"])
def test_without_a_server_the_contexts_of_the_cache_are_named(server, cache, policy):
    """At a site without internet, the config has to name one of them."""
    sync(server, cache, FLAT)

    with pytest.raises(UnreachableError, match=rf"that {cache} has: {server.latest}\."):
        resolve_context(CrdsClient("http://localhost:9", HASTY), policy, cache)


def test_the_synced_cache_serves_crds_offline(server, cache, crds_root):
    """With the offline environment, real crds finds the references, and asks no server."""
    sync(server, cache, FLAT)
    asked = len(server.requests)
    header = {
        "META.INSTRUMENT.NAME": "NIRCAM",
        "META.INSTRUMENT.DETECTOR": "NRCB1",
        "META.INSTRUMENT.FILTER": "F200W",
        "META.INSTRUMENT.PUPIL": "CLEAR",
        "META.EXPOSURE.TYPE": "NRC_IMAGE",
        "META.SUBARRAY.NAME": "SUB160",
        "META.OBSERVATION.DATE": "2025-11-20",
        "META.OBSERVATION.TIME": "00:10:00.000",
    }
    code = (
        "import json, sys, crds; header = json.loads(sys.argv[1]);"
        "print(crds.getreferences(header, reftypes=['flat'], observatory='jwst')['flat'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(header)],
        env={**os.environ, **crds_environment(cache, server.latest)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.stdout.split() == [str(place(cache))], done.stderr
    assert len(server.requests) == asked


def test_the_config_of_the_cache_is_small_and_says_offline(server, cache):
    """What crds reads at each start has no list of all files in it."""
    sync(server, cache, FLAT)

    text = (cache / "config" / "jwst" / "server_config").read_text()
    config = ast.literal_eval(text)
    assert config["connected"] is False
    assert config["latest_context"] == server.latest
    assert "download_metadata" not in config


def test_a_second_sync_asks_only_for_checksums(server, cache):
    """What was verified is not fetched again; one query per kind of file compares the checksums."""
    first = sync(server, cache, FLAT)
    before = len(server.requests)
    client = CrdsClient(server.url, HASTY)

    sync_mappings(client, server.latest, cache)
    second = sync_files(client, [FLAT], server.latest, cache)

    asked = [request.what for request in server.requests[before:]]
    assert second == first
    assert asked.count("get_file_info_map") == 2
    assert "file" not in asked


def test_without_a_server_verified_files_are_used(server, cache):
    """A sync of what is cached, under a context that is known, needs no answer."""
    first = sync(server, cache, FLAT)
    client = CrdsClient("http://localhost:9", HASTY)

    mappings = sync_mappings(client, server.latest, cache)
    second = sync_files(client, [FLAT], server.latest, cache)

    assert second == first
    assert client.unreachable
    assert server.latest in mappings


def test_without_a_server_a_damaged_file_is_an_error(server, cache):
    """Bytes that are not those verified are not used."""
    sync(server, cache, FLAT)
    flip_silently(place(cache))

    with pytest.raises(UnreachableError, match=r"references\.url"):
        sync_files(CrdsClient("http://localhost:9", HASTY), [FLAT], server.latest, cache)


def flip_silently(path: Path) -> None:
    """Change a byte of a file under the same size and mtime."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_flipped_bit_under_the_same_mtime_is_noticed_and_repaired(server, cache, crds_root):
    """Size and mtime are those of the verified file, but ctime cannot be set back."""
    first = sync(server, cache, FLAT)
    flip_silently(place(cache))

    second = sync(server, cache, FLAT)

    assert second == first
    assert place(cache).read_bytes() == place(crds_root).read_bytes()
    assert server.fetched(FLAT) == 2


def test_hashes_of_a_cache_follow_its_bytes(server, cache):
    """A verified file is not read again, a changed one is; the name of a lost one has no hash."""
    sums = sync(server, cache, FLAT)
    hashes = CacheHashes(cache)

    verified = hashes.sha1_of(FLAT)
    flip_silently(place(cache))
    flipped = hashes.sha1_of(FLAT)
    place(cache).unlink()

    assert verified == sums[FLAT]
    assert flipped not in (verified, "")
    assert hashes.sha1_of(FLAT) == ""


def test_a_record_of_an_earlier_jwmirror_is_read(server, cache):
    """Its files have no inode and ctime: they are hashed once, and not fetched."""
    sync(server, cache, FLAT)
    path = cache / "config" / "jwst" / "jwmirror_verified.json"
    record = json.loads(path.read_text())
    for file in record["files"].values():
        del file["inode"], file["ctime_ns"]
    path.write_text(json.dumps(record))

    sync(server, cache, FLAT)

    assert server.fetched(FLAT) == 1
    assert json.loads(path.read_text())["files"][FLAT]["inode"]


def test_a_cache_that_may_only_be_read_is_used_as_it_is(server, cache, tmp_path, monkeypatch):
    """The record of its files is in the mirror; that of an earlier version is still read."""
    first = sync(server, cache, FLAT)
    (cache / "config" / "jwst" / "jwmirror_verified.json").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    ledger = ledger_of(tmp_path / "mirror", cache)

    def refusing(write):
        def refuse(path: Path, *arguments: object) -> None:
            if cache in path.parents:
                raise OSError(errno.EROFS, "Read-only file system")
            write(path, *arguments)

        return refuse

    for name in ("write", "write_bytes"):
        writer = getattr(jwmirror.crds.cache, name)
        monkeypatch.setattr(f"jwmirror.crds.cache.{name}", refusing(writer))

    assert sync(server, cache, FLAT, ledger=ledger) == first
    assert FLAT in read_verified(cache, ledger).files and not read_verified(cache).files
    (tmp_path / "own/jwmirror").mkdir(parents=True)
    ledger.rename(tmp_path / "own/jwmirror" / ledger.name)
    assert FLAT in read_verified(cache).files


def test_a_file_that_comes_wrong_once_is_fetched_again(server, cache, crds_root):
    """Wrong bytes of the right length are not taken; the next try is."""
    server.corrupt(FLAT, times=1)

    sync(server, cache, FLAT)

    assert place(cache).read_bytes() == place(crds_root).read_bytes()
    assert server.fetched(FLAT) == 2


def test_a_file_that_stays_wrong_never_bears_its_name(server, cache):
    """After a second wrong answer the sync fails, and the cache has no trace of the file."""
    server.corrupt(FLAT)

    with pytest.raises(ReferencesError, match=f"SHA1.*{FLAT}.*not put into the cache"):
        sync(server, cache, FLAT)

    assert list(place(cache).parent.iterdir()) == []
    assert server.fetched(FLAT) == 2


def test_what_is_fetched_is_counted(server, cache):
    """Once, though its bytes come twice; what is there already is not expected."""
    server.corrupt(FLAT, times=1)
    client = CrdsClient(server.url, HASTY)
    context = resolve_context(client, "latest", cache)
    sync_mappings(client, context, cache)
    mappings = client.arrivals.beat()

    sync_files(client, [FLAT], context, cache)
    both = client.arrivals.beat()
    sync_files(client, [FLAT], context, cache)

    assert mappings.files == mappings.expected_files > 3
    assert (both.files, both.bytes) == (both.expected_files, both.expected)
    assert both.bytes - mappings.bytes == place(cache).stat().st_size
    assert both.rate > 0 and client.arrivals.beat().expected == both.expected


def test_a_bad_file_in_the_cache_is_replaced(server, cache, crds_root):
    """A file that another tool left damaged is deleted and fetched again."""
    place(cache).parent.mkdir(parents=True)
    place(cache).write_bytes(b"damaged")

    sync(server, cache, FLAT)

    assert place(cache).read_bytes() == place(crds_root).read_bytes()


def test_a_good_file_in_the_cache_is_not_fetched(server, cache, crds_root):
    """A file that is right already is verified and kept."""
    place(cache).parent.mkdir(parents=True)
    place(cache).write_bytes(place(crds_root).read_bytes())

    sync(server, cache, FLAT)

    assert server.fetched(FLAT) == 0


def test_damage_after_the_sync_is_noticed(server, cache, crds_root):
    """A verified file that changed on disk is verified anew, and mended."""
    sync(server, cache, FLAT)
    place(cache).write_bytes(b"damaged since")

    sync(server, cache, FLAT)

    assert place(cache).read_bytes() == place(crds_root).read_bytes()


def test_a_deleted_file_comes_back(server, cache):
    """A verified file that was deleted is fetched again."""
    sync(server, cache, FLAT)
    place(cache).unlink()

    sync(server, cache, FLAT)

    assert place(cache).exists()


def test_a_damaged_record_only_costs_time(server, cache):
    """Without its record, the cache is verified again and not fetched again."""
    first = sync(server, cache, FLAT)
    (cache / "config" / "jwst" / "jwmirror_verified.json").write_text("{")

    assert sync(server, cache, FLAT) == first
    assert server.fetched(FLAT) == 1


def test_a_context_that_crds_does_not_have_is_named_with_what_to_correct(server, cache):
    """It may be that of a recipe. Nothing that CRDS says of the failure is quoted."""
    with pytest.raises(ReferencesError) as caught:
        sync_mappings(CrdsClient(server.url, HASTY), "jwst_9999.pmap", cache)

    assert str(caught.value) == (
        f"expected a context that CRDS at {server.url} has, found jwst_9999.pmap; the nearest of "
        "its contexts: jwst_0001.pmap; correct references.context in the config, or `context` of "
        "the recipe."
    )


@pytest.mark.parametrize(
    ("number", "near"),
    [("0002", "0001 0003 0005"), ("9999", "0003 0005 1464"), ("0001", "0003 0005 1464")],
)
def test_the_nearest_contexts_are_named(server, monkeypatch, number, near):
    """By their numbers, as CRDS lists them."""
    lists = {"get_mapping_names": None, "list_mappings": ["jwst_0003.pmap", "jwst_1464.pmap"]}
    lists["list_mappings"] += ["jwst_0005.pmap", "jwst_nircam_0002.imap", 7]
    lists["list_mappings"] += [] if number == "0001" else ["jwst_0001.pmap"]
    monkeypatch.setattr("jwmirror.crds.client.NEAR", 3)
    client = CrdsClient(server.url, HASTY)

    def call(method: str, *parameters: object) -> object:
        if not lists[method]:
            raise ReferencesError("no such context")
        return lists[method]

    monkeypatch.setattr(client, "call", call)
    with pytest.raises(ReferencesError) as caught:
        client.mappings_of(f"jwst_{number}.pmap")

    words = ", ".join(f"jwst_{each}.pmap" for each in near.split())
    assert f"the nearest of its contexts: {words};" in str(caught.value)


@pytest.mark.parametrize("listed", [None, "no list", ["jwst_0001.pmap"]])
def test_a_failure_about_a_context_that_crds_has_is_reported_as_it_is(server, monkeypatch, listed):
    """And one where CRDS does not say which it has."""
    client = CrdsClient(server.url, HASTY)

    def call(method: str, *parameters: object) -> object:
        if method == "get_mapping_names" or listed is None:
            raise ReferencesError("the server is busy")
        return listed

    monkeypatch.setattr(client, "call", call)
    with pytest.raises(ReferencesError, match=r"^the server is busy$"):
        client.mappings_of("jwst_0001.pmap")


def test_a_file_that_crds_does_not_know_is_named(server, cache):
    """An unknown reference is an error that says which."""
    with pytest.raises(ReferencesError, match="jwst_nircam_flat_9999"):
        sync(server, cache, "jwst_nircam_flat_9999.fits")


def test_a_file_that_does_not_come_is_an_error(server, cache):
    """A body that stalls ends in bounded time, and leaves nothing."""
    server.slow(FLAT, seconds=30)

    with pytest.raises(ReferencesError, match=FLAT):
        sync_hastily = Timeouts(connect_s=1, read_s=0.2, attempts=1, bodies=2, backoff_s=0.01)
        context = resolve_context(CrdsClient(server.url, HASTY), "latest", cache)
        sync_files(CrdsClient(server.url, sync_hastily), [FLAT], context, cache)

    assert list(place(cache).parent.iterdir()) == []


@pytest.mark.parametrize("trap", ["pipe", "link to nothing"])
def test_what_is_no_file_in_a_shared_cache_is_replaced(server, cache, tmp_path, trap):
    """A pipe is not waited for, and nothing is written where a link leads."""
    sums = sync(server, cache, FLAT)
    place(cache).unlink()
    if trap == "pipe":
        os.mkfifo(place(cache))
    else:
        place(cache).symlink_to(place(cache).with_name("elsewhere"))

    assert sync(server, cache, FLAT) == sums
    assert place(cache).is_file() and not place(cache).is_symlink()
    assert not place(cache).with_name("elsewhere").exists()


def test_sums_are_told_without_a_download(server, cache):
    """What CRDS says of a file is what a sync of it finds."""
    told = sha1s_of(CrdsClient(server.url, HASTY), [FLAT])

    assert server.fetched(FLAT) == 0
    assert told == sync(server, cache, FLAT)


def test_a_bundle_is_a_cache_that_asks_nobody(server, cache, tmp_path):
    """All of a context and the named references; syncing from it needs no server."""
    sums = sync(server, cache, FLAT)
    away = tmp_path / "away"

    made = write_bundle(["jwst_0001.pmap"], [FLAT], cache, away)

    nowhere = "http://localhost:9"
    mappings = sync_mappings(CrdsClient(nowhere, HASTY), "jwst_0001.pmap", away)
    assert sync_files(CrdsClient(nowhere, HASTY), [FLAT], "jwst_0001.pmap", away) == sums
    assert made.files == len(mappings) + 1
    assert made.size == sum(f.stat().st_size for f in away.rglob("jwst_*") if f.is_file())


def test_a_bundle_takes_other_files_too(server, cache, tmp_path):
    """Slices of Gaia, for a site without network."""
    sync(server, cache, FLAT)
    (tmp_path / "slice").write_text("stars")

    others = {"gaia/5a.csv": tmp_path / "slice"}
    made = write_bundle(["jwst_0001.pmap"], [FLAT], cache, tmp_path / "away", others)

    assert (tmp_path / "away" / "gaia" / "5a.csv").read_text() == "stars"
    assert made.files == len(list((tmp_path / "away").rglob("jwst_*.*"))) + 1


def test_a_bundle_of_what_is_not_cached_leaves_nothing(server, cache, tmp_path):
    """A reference that was never synced is named, and no folder appears."""
    sync(server, cache)

    with pytest.raises(ReferencesError, match=f"{FLAT} is not in the reference cache"):
        write_bundle(["jwst_0001.pmap"], [FLAT], cache, tmp_path / "away")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]
