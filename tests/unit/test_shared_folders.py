"""Folders where other users can write: their links are not followed, their pipes not waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jwmirror.archive.events import read_events
from jwmirror.config.yaml_files import read_yaml
from jwmirror.core import files
from jwmirror.core.errors import JwmirrorError
from jwmirror.core.jsonio import read
from jwmirror.core.names import cache_path
from jwmirror.crds.bundle import write_bundle
from jwmirror.crds.cache import VerifiedCache, VerifiedFile, write_config, write_verified
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.parameters.exported import read_exported
from jwmirror.pipeline.usercode.files import file_digests, file_mistakes
from jwmirror.pipeline.usercode.reftype import labels_of
from jwmirror.store.maintenance.adopt import adopt
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.checkout import check_out
from tests.setup.command_line import run
from tests.setup.mirrors import SmallMirror
from tests.setup.records import product

NOBODY = 65534  # a uid that owns nothing here
CONTEXT, FLAT = "jwst_0001.pmap", "jwst_nircam_flat_0001.fits"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
pytestmark = pytest.mark.timeout(60)  # not to wait long for a pipe without a writer


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder where all users can write, without the sticky bit that makes Linux careful."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user, with a file in it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("mine")
    return tmp_path / "mine"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A synced reference cache of one mapping and one reference."""
    cache = tmp_path / "cache"
    paths = [cache_path(cache, CONTEXT), cache_path(cache, FLAT)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    write_config(cache, {"observatory": "jwst"})
    verified = {path.name: VerifiedFile.of(path) for path in paths}
    write_verified(cache, VerifiedCache(files=verified, contexts={CONTEXT: (CONTEXT,)}))
    return cache


@pytest.fixture
def write(small_mirror: SmallMirror, cache: Path) -> dict[str, Callable[[Path], object]]:
    """Return the operations that write a folder, by name."""
    return {
        "checkout": lambda to: check_out(small_mirror.root, 1, to, "copy"),
        "freeze": lambda to: freeze(small_mirror.root, 1, to),
        "bundle": lambda to: write_bundle([CONTEXT], [FLAT], cache, to),
    }


WRITERS = ("checkout", "freeze", "bundle")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("trap", ["pipe", "link", "file"])
def test_what_looks_like_an_unfinished_folder_stays(write, shared, mine, name, trap):
    """A pipe of that name would be waited for, and a link could lead to any folder."""
    unfinished = shared / ".new.unfinished-x"
    if trap == "pipe":
        os.mkfifo(unfinished)
    elif trap == "link":
        unfinished.symlink_to(mine)
    else:
        unfinished.write_text("not a folder")

    write[name](shared / "new")

    assert os.path.lexists(unfinished) and (mine / "thesis").read_text() == "mine"
    assert sorted(path.name for path in shared.iterdir()) == [unfinished.name, "new"]


@needs_root
@pytest.mark.parametrize("name", WRITERS)
def test_the_unfinished_folder_of_another_user_stays(write, shared, name):
    """Only the folders that a killed process of the same user left are removed."""
    theirs, own = shared / ".new.unfinished-theirs", shared / ".new.unfinished-own"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    own.mkdir()

    write[name](shared / "new")

    assert theirs.is_dir() and not own.exists()


@needs_root
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("below", ["", "deep/new"])
def test_nothing_is_written_through_the_link_of_another_user(write, shared, mine, name, below):
    """Neither where it has the name of the target, nor where it is above it."""
    (mine / "thesis").unlink()
    (shared / "link").symlink_to(mine)
    os.lchown(shared / "link", NOBODY, NOBODY)

    with pytest.raises(JwmirrorError):
        write[name](shared / "link" / below)

    assert list(mine.iterdir()) == [] and list(shared.iterdir()) == [shared / "link"]


def test_a_link_of_the_user_above_a_target_is_followed(write, shared, mine):
    """Only links that another user made are refused."""
    (shared / "link").symlink_to(mine)

    write["checkout"](shared / "link" / "new")

    assert (mine / "new").is_dir()


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_is_private_until_it_is_complete(write, shared, monkeypatch, name):
    """Another user can neither read nor replace the files in it."""
    modes = []
    monkeypatch.setattr(
        "jwmirror.core.folders.sync_many",
        lambda paths: modes.append(paths[0].stat().st_mode & 0o777),
    )

    write[name](shared / "new")

    assert modes == [0o700] and (shared / "new").stat().st_mode & 0o777 == 0o755


def test_a_folder_beside_a_bundle_is_not_deleted(write, shared, mine):
    """Versions before deleted `.new.part`, whatever it was."""
    mine.rename(shared / ".new.part")

    write["bundle"](shared / "new")

    assert (shared / ".new.part" / "thesis").read_text() == "mine"


def test_a_bundle_has_only_known_files_of_the_configuration(write, shared, mine, cache):
    """A link in a shared cache would put the user's file into the bundle."""
    (cache / "config" / "jwst" / "more").symlink_to(mine / "thesis")
    os.mkfifo(cache / "config" / "jwst" / "pipe")

    write["bundle"](shared / "new")

    names = {path.name for path in (shared / "new" / "config" / "jwst").iterdir()}
    assert names == {
        "server_config", "ref_cache_subdir_mode", "bad_files.txt", "jwmirror_verified.json"
    }  # fmt: skip


def test_new_step_does_not_write_through_a_link(tmp_path, monkeypatch):
    """A link to a file that does not exist yet is something that exists."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_fix_stripes.py").symlink_to(tmp_path / "elsewhere.py")

    output = run("new-step", "fix_stripes", code=2)

    assert "exists already" in output
    assert [path.name for path in tmp_path.iterdir()] == ["test_fix_stripes.py"]


# ---- pipes -----------------------------------------------------------------------------------

READERS: dict[str, Callable[[Path], object]] = {
    "association": read_own_associations,
    "config": read_yaml,
    "digest": files.cached_digest,
    "events": read_events,
    "file of a parameter": lambda path: file_digests({"steps": {"f": {"user_mask": str(path)}}}),
    "list of catalogues": lambda path: file_digests({"steps": {"t": {"catfile": str(path)}}}),
    "override": labels_of,
    "parameters of strun": lambda path: read_exported(path, "image2"),
    "record": lambda path: read(path, dict),
    "sha256": files.sha256_of,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_regular_files_are_read(tmp_path, name, kind):
    """A pipe without a writer and a device give an error at once."""
    path = tmp_path / "file"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/null")

    with pytest.raises((OSError, JwmirrorError), match="not a regular file"):
        READERS[name](path)


def test_a_pipe_in_the_place_of_an_override_is_a_mistake(tmp_path):
    """The check of a config names it."""
    os.mkfifo(tmp_path / "flat.fits")

    (mistake,) = file_mistakes("override_flat", "flat.fits", "recipe", tmp_path)

    assert "not a regular file" in mistake


def test_a_pipe_that_replaces_a_file_during_adoption_is_refused(tmp_path, monkeypatch):
    """The file was one when the folder was listed."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "a_uncal.fits")
    (tmp_path / "into").mkdir()
    monkeypatch.setattr("os.path.isfile", lambda path: True)
    wanted = {"a_uncal.fits": product("a_uncal.fits", checksum="0c" * 16)}

    def unused(*arguments: object) -> None:
        raise AssertionError(arguments)

    report = adopt(
        tmp_path / "mirror", tmp_path / "folder", wanted, (), unused, unused, tmp_path / "into"
    )

    assert [file.why for file in report.files] == ["cannot be read: not a regular file"]


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    """The link of another user would create an empty file where it points."""
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        files.locked(tmp_path / ".lock", make=True).__enter__()

    assert not (tmp_path / "elsewhere").exists()
