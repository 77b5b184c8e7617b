"""Answers, associations, configs and records that name a file elsewhere: each is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jwmirror.core.errors import ReferencesError, StoreError
from jwmirror.core.files import path_below
from jwmirror.core.names import cache_path
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import sync_files, sync_mappings
from jwmirror.crds.verify import verify_cache
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.crds.server import ReferenceServer

ELSEWHERE = [
    "../x",
    "a/../../x",
    "/etc/x",
    "a//x",
    "",
    ".",
    "..",
    "a/.",
    "~/x",
    "~root",
    "a\0b",
    "a\nb",
]
FLAT = "jwst_nircam_flat_0001.fits"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user with a file, which is unchanged after the test."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / FLAT).write_text("of the user")
    yield folder
    assert [path.name for path in folder.rglob("*")] == [FLAT]
    assert (folder / FLAT).read_text() == "of the user"


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_with_parts_that_are_no_plain_names_is_refused(path, tmp_path):
    """The message names the source and what it said."""
    with pytest.raises(ReferencesError, match=r"the source: .* names a path below .*: expected"):
        path_below(tmp_path, path, "the source", ReferencesError)


def test_a_path_that_leaves_through_a_link_is_refused(tmp_path, outside):
    """Whatever of it exists. Only the last name may be a link, for that is replaced."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "sub" / "up").symlink_to("../sub")

    for path in ("link/new", "link/deep/new", f"link/{FLAT}"):
        with pytest.raises(StoreError, match=f"a link in it that leads to {outside}"):
            path_below(folder, path, "a record")

    assert path_below(folder, "link", "a record") == folder / "link"
    assert path_below(folder, "sub/up/new", "a record") == folder / "sub/up/new"


def test_the_folder_itself_may_be_a_link(tmp_path):
    """Its owner made it: a mirror may be on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "mirror").symlink_to("disk")

    assert path_below(tmp_path / "mirror", "a/b", "a record") == tmp_path / "mirror/a/b"


# ---- CRDS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crds_root(tmp_path_factory) -> Path:
    """A small CRDS: one NIRCam detector."""
    root = tmp_path_factory.mktemp("crds")
    build_context(root, detectors=["NRCB1"], filters=["F200W"], fgs=False)
    return root


@pytest.fixture
def client(crds_root) -> Iterator[CrdsClient]:
    """A client of a server with that CRDS."""
    with ReferenceServer(crds_root) as server:
        yield CrdsClient(server.url)


def answering(client: CrdsClient, method: str, answer: object) -> CrdsClient:
    """Let the server give another answer to one method."""
    ask = client.call
    client.call = lambda asked, *words: answer if asked == method else ask(asked, *words)
    return client


@pytest.mark.parametrize(
    "instrument",
    ["{outside}", "../../../outside", "..", ".", "~", "nircam/../../x", "a\0b", "hst",
     "all", None, 1],
)  # fmt: skip
def test_an_instrument_that_is_none_of_jwst_is_refused(instrument, client, tmp_path, outside):
    """CRDS's get_file_info names the folder of a reference whose name does not."""
    name = instrument.format(outside=outside) if isinstance(instrument, str) else instrument
    hostile = answering(client, "get_file_info", {"instrument": name})

    with pytest.raises(ReferencesError, match=r"instrument of flat\.fits: expected one of nircam"):
        sync_files(hostile, ["flat.fits"], "jwst_1.pmap", tmp_path / "cache")


@pytest.mark.parametrize("name", [*ELSEWHERE, "jwst_nircam_flat.fits", "../x.pmap", 7, None])
def test_a_name_that_is_no_mapping_is_refused(name, client, tmp_path, outside):
    """CRDS's get_mapping_names lists the files of a context."""
    hostile = answering(client, "get_mapping_names", [name])

    with pytest.raises(ReferencesError, match="expected names of mappings"):
        sync_mappings(hostile, "jwst_1464.pmap", tmp_path / "cache")

    assert not (tmp_path / "cache" / "mappings").exists()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_reference_that_is_no_file_name_is_refused(name, client, tmp_path, outside):
    """The rules of a context name it."""
    with pytest.raises(ReferencesError, match=r"expected a plain file name|expected one of nircam"):
        cache_path(tmp_path, f"jwst_nircam_{name}/x")
    with pytest.raises(ReferencesError, match="expected a plain file name"):
        cache_path(tmp_path, name)


def test_a_folder_of_the_cache_that_is_a_link_elsewhere_is_not_written_to(
    client, tmp_path, outside
):
    """Neither by a sync nor by a repair; another file of the same name stays there."""
    cache = tmp_path / "cache"
    (cache / "references" / "jwst").mkdir(parents=True)
    (cache / "references" / "jwst" / "nircam").symlink_to(outside)

    for use in (
        lambda: sync_files(client, [FLAT], "jwst_1464.pmap", cache),
        lambda: verify_cache(client, cache, [FLAT], repair=True),
    ):
        with pytest.raises(ReferencesError, match=f"CRDS at .* leads to {outside}"):
            use()
