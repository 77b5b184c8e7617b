"""Answers, associations, configs and records that name a file elsewhere: each is refused."""

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jwmirror.config.load import build_config
from jwmirror.config.yaml_files import YamlText
from jwmirror.core.errors import CalibrationError, ConfigError, ReferencesError, StoreError
from jwmirror.core.files import path_below, sha256_of
from jwmirror.core.jsonio import receipt_path
from jwmirror.core.model import canonical
from jwmirror.core.model.maintenance import Problem
from jwmirror.core.model.stored import Setup
from jwmirror.core.names import cache_path
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import sync_files, sync_mappings
from jwmirror.crds.verify import verify_cache
from jwmirror.engine import stage
from jwmirror.engine.batch import calibrate
from jwmirror.net.staging import staging_folder
from jwmirror.pipeline import ramps
from jwmirror.pipeline.headers import crds_header
from jwmirror.store.generations import Generations
from jwmirror.store.losses import Loss, record_loss
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.checkout import check_out
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.repair import REBUILD, RepairStep, repair
from jwmirror.store.maintenance.repair import _repaired as repair_one
from jwmirror.store.maintenance.retention import HEAD, MANIFEST, RetentionPolicy
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance, acceptance_path
from jwmirror.store.view import STAMP, SpareView, build_view, remove_views
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.crds.server import ReferenceServer
from tests.setup import records
from tests.setup.calibration import DEEP, FolderResults
from tests.setup.mirrors import OBSERVATION, RUN, SmallMirror, overwrite

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
LOOSE = "jwst_flat_0001.fits"  # CRDS knows the instrument, the name does not


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user with files, which is unchanged after the test."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in (FLAT, LOOSE):
        (folder / name).write_text("of the user")
    yield folder
    contents = {path.name: path.read_text() for path in folder.rglob("*")}
    assert contents == dict.fromkeys((FLAT, LOOSE), "of the user")


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
    references = root / "references" / "jwst" / "nircam"
    shutil.copy(references / FLAT, references / LOOSE)
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
    """CRDS's get_file_info names the folder of a reference, which would replace a file there."""
    name = instrument.format(outside=outside) if isinstance(instrument, str) else instrument
    hostile = answering(client, "get_file_info", {"instrument": name})

    with pytest.raises(ReferencesError, match=f"instrument of {LOOSE}: expected one of nircam"):
        sync_files(hostile, [LOOSE], "jwst_1464.pmap", tmp_path / "cache")


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


# ---- associations --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../outside/x", "/etc/x", "a/../../outside", "~/x", "a\0b"])
@pytest.mark.parametrize("part", ["product", "member"])
def test_an_association_that_names_a_file_elsewhere_fails_alone(part, name, tmp_path, outside):
    """No folder, link or log is made elsewhere, and none is removed."""
    inputs = (records.science(name if part == "member" else "a_rate.fits", "ab" * 32),)
    product = name if part == "product" else "a"
    chain = records.chain(records.derivation("image2", product, inputs=inputs))
    results = FolderResults(tmp_path / "objects")

    receipt = calibrate([chain], results, 1, tmp_path / "work", tmp_path / "logs", 60)

    (failure,) = receipt.failures
    assert repr(name)[1:-1] in failure.message
    assert re.search("an association: |an input of ", failure.message)
    assert not list(tmp_path.glob("work/*")) and not list(tmp_path.glob("logs/*"))


def test_an_association_whose_file_is_named_as_a_member_does_not_replace_it(tmp_path):
    """The member is a link to an object of the store."""
    name = "jw01345-a3001_image3_asn.json"
    inputs = (records.science(name, "ab" * 32),)
    derivation = records.derivation("image3", "jw01345-a3001", inputs=inputs)
    (tmp_path / "object").write_text("of the store")
    (tmp_path / name).symlink_to("object")

    with pytest.raises(FileExistsError):
        stage._arguments(derivation, tmp_path, ramps.FULL)

    assert (tmp_path / "object").read_text() == "of the store"


def test_a_product_that_is_no_file_name_is_not_opened(tmp_path):
    """Its header is read through a link of its name, in a temporary folder."""
    with pytest.raises(CalibrationError, match=r"a product: .*expected plain names"):
        crds_header(tmp_path / "object", "../../x_uncal.fits")


# ---- manifests, records and folders of a mirror --------------------------------------------------


def crafted(mirror: Path, **values: str) -> None:
    """Let the published manifest have other values in its first row, with the right checksums."""
    folder = Generations(mirror).require_current().folder
    table = pq.ParquetFile(folder / MANIFEST).read()
    for name, value in values.items():
        index, column = table.column_names.index(name), [value, *table[name].to_pylist()[1:]]
        table = table.set_column(index, table.schema.field(name), pa.array(column, pa.string()))
    (folder / MANIFEST).chmod(0o644)
    pq.write_table(table, folder / MANIFEST)
    record = json.loads((folder / HEAD).read_bytes())
    overwrite(
        folder / HEAD,
        canonical(record | {"manifest_sha256": sha256_of(folder / MANIFEST)}).encode(),
    )


@pytest.mark.parametrize("column", ["path", "sha256"])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(column, small_mirror, outside):
    """By all that make paths of these columns: views, checkouts, prune and repair."""
    mirror, copy = small_mirror.root, small_mirror.root.parent / "copy"
    shutil.rmtree(mirror / "views")

    for value in (*ELSEWHERE, f"../../outside/{FLAT}", str(outside / FLAT)):
        crafted(mirror, **{column: value})
        for use in (
            Generations(mirror).entries,
            Generations(mirror).repair_pointers,
            lambda: check_out(mirror, 1, copy, "copy"),
            lambda: prune(mirror, RetentionPolicy(keep_last=1)),
            lambda: repair(mirror, full=True),
        ):
            with pytest.raises(StoreError, match="manifest"):
                use()

    assert not (mirror / "views").exists() and not copy.exists()


@pytest.mark.parametrize("name", ["../../outside/x", "/etc/x", "a/b", "a\0b", ""])
def test_a_record_that_names_a_file_elsewhere_is_refused(name, small_mirror, outside):
    """The keys of results and the names of objects come from records, too."""
    root = small_mirror.root
    provenance, loss = Provenance(root), Loss(sha256=name, size=1, path="", why="", found_at="")
    uses = {
        "object": lambda: Objects(root).path(name),
        "key of a result": lambda: provenance.path(f"../{name}"),
        "the key of a result": lambda: provenance.invalidate([f"../{name}"], "test"),
        "key of": lambda: acceptance_path(root, f"../{name}"),
        "loss": lambda: record_loss(root, replace(loss, sha256=f"../{name}")),
        "record": lambda: receipt_path(root, "inputs", f"../{name}", ""),
    }

    for source, use in uses.items():
        with pytest.raises(StoreError, match=source):
            use()
    assert not Objects(root).has(name)


def test_a_bag_does_not_leave_its_folder(small_mirror, tmp_path, outside):
    """The names of recipes come from the setup of the generation."""
    root, recipe = small_mirror.root, replace(DEEP, name="../../../outside/x", python="/python")
    setup = Setup(config={}, recipes=(recipe,), software={})
    rows = list(small_mirror.rows.values())[1:]
    Generations(root).publish(rows, "test", {"run": RUN}, setup=setup)

    with pytest.raises(StoreError, match=r"a record of the generation: .*outside/x"):
        freeze(root, 2, tmp_path / "bag", "copy")

    assert not (tmp_path / "bag").exists()


def linked_view(mirror: SmallMirror, target: Path) -> Path:
    """Replace a folder of the view by a link; all times are those of an untouched view."""
    folder = mirror.root / "views/000001" / OBSERVATION
    shutil.rmtree(folder)
    folder.symlink_to(target)
    for path in (target, folder.parent):
        os.utime(path, (STAMP + 1, STAMP + 1))
    return folder


def test_a_view_with_a_link_elsewhere_is_not_used_for_another(small_mirror, tmp_path):
    """The files that the new view does not show would be removed there."""
    rows = Generations(small_mirror.root).entries()
    files = [tmp_path / "mine" / row.filename for row in rows if row.path.startswith(OBSERVATION)]
    (tmp_path / "mine").mkdir()
    for file in files:
        file.touch()
    linked_view(small_mirror, tmp_path / "mine")

    build_view(small_mirror.root, 9, rows.rows([0]), SpareView(1, rows))

    assert files and all(file.exists() for file in files)


def test_a_repair_of_a_view_does_not_follow_a_link_elsewhere(small_mirror, outside):
    """The link is moved away, and the folder is made again."""
    folder = linked_view(small_mirror, outside)

    outcomes = repair(small_mirror.root, full=True).outcomes

    assert not folder.is_symlink() and all(link.is_symlink() for link in folder.iterdir())
    assert outcomes and all(outcome.is_mended for outcome in outcomes)


def test_a_repair_that_would_follow_a_link_elsewhere_is_refused(small_mirror, outside):
    """The others are done."""
    root = small_mirror.root
    (root / "views/000001/link").symlink_to(outside)
    step = RepairStep(
        problem=Problem("view", f"views/000001/link/{FLAT}", "nothing", "a file"), act=REBUILD
    )

    outcome = repair_one(root, step, None)

    assert not outcome.is_mended and f"leads to {outside}" in outcome.done


def test_a_folder_of_objects_that_is_a_link_elsewhere_is_refused(small_mirror, tmp_path, outside):
    """Objects are neither put there, nor removed from there."""
    root, data = small_mirror.root, b"new"
    name = hashlib.sha256(data).hexdigest()
    (root / "objects" / name[:2]).symlink_to(outside)
    (tmp_path / "new").write_bytes(data)

    with pytest.raises(StoreError, match=f"an object: .* leads to {outside}"):
        Objects(root).add(tmp_path / "new")
    with pytest.raises(StoreError, match=f"prune: .* leads to {outside}"):
        prune(root, RetentionPolicy(keep_last=1))


def test_an_object_that_is_a_link_is_none(small_mirror, outside):
    """Its modes are not set, since they would be those of the target."""
    root, name = small_mirror.root, "ab" * 32
    mode = (outside / FLAT).stat().st_mode
    (root / "objects" / "ab").mkdir(exist_ok=True)
    (root / "objects" / "ab" / name).symlink_to(outside / FLAT)

    assert not Objects(root).has(name)
    assert not Objects(root).restrict_open([name])
    assert (outside / FLAT).stat().st_mode == mode


def test_an_abandoned_folder_that_is_a_link_elsewhere_is_not_emptied(small_mirror, outside):
    """A fetch takes over the folders of killed ones, and removes what no order asks for."""
    incoming = Objects(small_mirror.root).incoming
    (incoming / f"{socket.gethostname().partition('.')[0]}.killed").symlink_to(outside)

    with staging_folder(incoming, ()):
        pass


def test_numbered_links_and_folders_of_the_user_are_not_removed(small_mirror, outside):
    """Only what jwmirror has named and made is removed from views/."""
    views = small_mirror.root / "views"
    (views / "000000").symlink_to(outside)
    (views / "000000 notes").mkdir()
    (views / ".000000.old").mkdir()

    remove_views(small_mirror.root, {1})

    assert sorted(path.name for path in views.iterdir()) == ["000000", "000000 notes", "000001"]


# ---- configs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"mirror": "~/mirror"}, "mirror: found '~/mirror'"),
        ({"mirror": "/data/run{x}/mirror"}, "mirror: found '/data/run{x}/mirror'.*braces"),
        ({"mirror": "{"}, "mirror: found '{'"),
        ({"mirror": "a\0b"}, r"mirror: found 'a\\x00b'"),
        ({"mirror": "a\n"}, r"mirror: found 'a\\n'"),
        ({"references": {"cache": "~"}}, "references.cache: found '~'"),
        *(
            ({"recipes": {name: {}}}, "expected a name of")
            for name in ("../x", "/x", "..", "~", "a\n")
        ),
        *(({"environments": {name: "/x"}}, "expected a name of") for name in ("../x", "~", "a\n")),
    ],
)
def test_a_config_that_names_an_odd_folder_is_refused(config, found):
    """A home folder is not looked up, and a name of a recipe or an environment is no path."""
    with pytest.raises(ConfigError, match=found):
        build_config(YamlText({"programs": [1345], **config}))
