"""Reference caches of another user: nothing is written without need, and nothing is deleted."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from jwmirror.core.errors import ReferencesError
from jwmirror.core.model.plan import References
from jwmirror.crds.bundle import write_bundle
from jwmirror.crds.cache import (
    SUBDIR_MODE,
    CacheHashes,
    VerifiedFile,
    cache_errors,
    config_folder,
    ledger_of,
    read_verified,
)
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.verify import verify_cache
from jwmirror.services.run.references import watched_references
from tests.setup.configs import policy_of
from tests.unit.test_references_sync import (  # noqa: F401
    FLAT,
    HASTY,
    crds_root,
    flip_silently,
    place,
    server,
    sync,
)

OTHER = 65534  # a uid that owns nothing here
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that all users can enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def shared(server, root) -> Path:
    """A cache with one reference that another tool filled: it has no record of jwmirror."""
    sync(server, root / "cache", FLAT)
    (root / "cache/config/jwst/jwmirror_verified.json").unlink()
    (root / "cache/config/jwst/bad_files.txt").write_text("of its owner\n")
    return root / "cache"


@pytest.fixture
def foreign(shared) -> Path:
    """The same, of another user, though this one may write to it."""
    for path in (shared, *shared.rglob("*")):
        os.chown(path, OTHER, OTHER)
    return shared


def refusal_of_another_user(url: str, cache: Path) -> str:
    """Sync as a user who owns nothing; return the error."""
    os.seteuid(OTHER)
    with pytest.raises(ReferencesError) as refused:
        sync(SimpleNamespace(url=url), cache, FLAT)
    return str(refused.value)


def state(cache: Path) -> dict[str, tuple[int, ...]]:
    """What changes with every write below a cache."""
    stats = {str(path): path.lstat() for path in (cache, *cache.rglob("*"))}
    return {path: (s.st_ino, s.st_size, s.st_ctime_ns) for path, s in stats.items()}


def test_nothing_is_written_if_nothing_is_to_be_fetched(server, foreign, root):
    """What was verified is recorded in the mirror, and is enough to go on without a server."""
    before, ledger = state(foreign), ledger_of(root / "mirror", foreign)

    sums = sync(server, foreign, FLAT, ledger=ledger)
    verify_cache(CrdsClient(server.url, HASTY), foreign, [FLAT], repair=True, ledger=ledger)
    bundle = write_bundle([server.latest], [FLAT], foreign, root / "away", ledger=ledger)

    assert state(foreign) == before
    assert server.fetched(FLAT) == 1  # by its owner
    assert read_verified(foreign, ledger).files[FLAT].is_unchanged(place(foreign))
    assert bundle.files > 1 and sums[FLAT] == read_verified(root / "away").files[FLAT].sha1


def test_a_job_does_not_hash_what_the_ledger_has(server, foreign, root, monkeypatch):
    """Gigabytes of references would be read by each job."""
    ledger = ledger_of(root / "mirror", foreign)
    sums = sync(server, foreign, FLAT, ledger=ledger)
    monkeypatch.setattr(VerifiedFile, "of", None)
    monkeypatch.setattr("jwmirror.crds.cache.cached_digest", None)

    assert CacheHashes(foreign, ledger).sha1_of(FLAT) == sums[FLAT]


@pytest.mark.parametrize("is_repaired", [False, True])
def test_a_wrong_file_of_another_user_is_not_deleted(server, foreign, root, is_repaired):
    """The message names file and owner; the file stays as it is."""
    flip_silently(place(foreign))
    before, ledger = state(foreign), ledger_of(root / "mirror", foreign)
    client = CrdsClient(server.url, HASTY)

    with pytest.raises(ReferencesError, match=f"{FLAT}: expected sha1 .* belongs to user "):
        if is_repaired:
            verify_cache(client, foreign, [FLAT], repair=True, ledger=ledger)
        else:
            sync(server, foreign, FLAT, ledger=ledger)

    assert state(foreign) == before


def test_what_is_missing_is_fetched_where_that_is_allowed(server, foreign, root):
    """A group may share the work; the record is in the mirror all the same."""
    place(foreign).unlink()
    ledger = ledger_of(root / "mirror", foreign)

    sync(server, foreign, FLAT, ledger=ledger)

    assert place(foreign).stat().st_uid == os.geteuid()
    assert FLAT in read_verified(foreign, ledger).files
    assert FLAT not in read_verified(foreign).files


def test_one_sentence_says_what_is_missing_in_a_read_only_cache(server, shared, root):
    """With the command by which its owner fetches it. Nothing is tried."""
    place(shared).unlink()
    before = state(shared)

    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        message = pool.submit(refusal_of_another_user, server.url, shared).result()

    assert f"missing in it (1): {FLAT}; nothing was fetched" in message
    assert f"CRDS_PATH={shared} python -m crds.sync --files {FLAT}" in message
    assert state(shared) == before and server.fetched(FLAT) == 1


def test_a_cache_without_folders_of_instruments_is_refused(server, foreign, root):
    """Its files are elsewhere, so all of them would be fetched a second time."""
    (config_folder(foreign) / SUBDIR_MODE).write_text("flat\n")
    before = state(foreign)

    with pytest.raises(ReferencesError, match="folders of instruments, found mode 'flat'"):
        sync(server, foreign, FLAT)

    assert state(foreign) == before


@pytest.mark.parametrize("name", ["config/jwst/server_config", "mappings/jwst/jwst_0001.pmap"])
def test_a_file_of_the_cache_that_cannot_be_read_is_named_in_one_sentence(tmp_path, name):
    """With what its owner, or the user, can do. Errors on other files stay what they are."""
    cache = tmp_path / "cache"
    closed = PermissionError(13, "Permission denied", str(cache / name))

    with pytest.raises(ReferencesError) as raised, cache_errors(cache):
        raise closed
    for other in (PermissionError(13, "Permission denied", "/x"), OSError(28, "full", str(cache))):
        with pytest.raises(OSError) as passed, cache_errors(cache):
            raise other
        assert passed.value is other

    assert str(raised.value).startswith(f"the reference cache {cache}: Permission denied: ")
    assert name in str(raised.value) and "references.cache in the config" in str(raised.value)


def test_both_syncs_name_what_they_cannot_read(root, shared, server):
    """The check of an unchanged run then goes on to the sync, which ends the run in words."""
    (shared / "config/jwst/server_config").unlink(missing_ok=True)
    (shared / "config/jwst").rename(root / "config")
    (shared / "config/jwst").write_text("no folder")
    last = References(context="jwst_0001.pmap", server=server.url, files={})

    with pytest.raises(ReferencesError, match=r"the reference cache .*Not a directory"):
        watched_references(root / "mirror", last, (), policy_of(server.url, shared))
