"""Access follows inputs: no exclusive byte is readable by another user, none is in a bag."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec import structs

from jwmirror.core.model import Derivation, Entry, Input, ResultFile, Version, canonical, digest
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import Acceptance, Caveat
from jwmirror.store.access import report_path
from jwmirror.store.entries import upstream_path
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.adopt import adopt
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.checkout import COPY, HARDLINK, SYMLINK, check_out
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.manifest import read_manifest
from jwmirror.store.objects import CLOSED, Objects
from jwmirror.store.provenance import Provenance, keep_acceptance
from tests.setup.records import product

NOBODY = 65534  # a uid that owns nothing here
BETWEEN = b"\0between files\0"
MINE, BESIDE = "jw01345001001_02101_00001_nrcb1", "jw01345002001_02101_00001_nrcb1"
THEIRS = "jw09999002001_02101_00001_nrcb1"
RESULTS = {  # what is tested -> path in the view, pipeline, and the exposure that may be exclusive
    "own association across programs": ("jw01345/a3001/x_i2d.fits", "image3", THEIRS),
    "candidate with another's background": ("jw01345/c1001/x_cal.fits", "image2", BESIDE),
    "own asn_id": ("jw01345/o001/x_i2d.fits", "image3", BESIDE),
    "association made from a pool": ("jw01345/o001/x_i2d.fits", "image3", THEIRS),
    "kept ramp": (f"jw01345/o001/{BESIDE}_ramp.fits", "detector1_ramp", BESIDE),
    "file written by a hook": ("jw01345/o001/x_hooked.ecsv", "image2", THEIRS),
}
STATES = {  # one input's access in each publication, and whether others may read in the end
    "all inputs public": ((False,), True),
    "one exclusive": ((True,), False),
    "released later": ((True, False), True),
    "made exclusive later": ((False, True), False),
}
CAVEATS = canonical((Caveat(cause="missing pixels", message="25 % are NaN", measured=0.25),))
in_all_states = pytest.mark.parametrize(("accesses", "is_open"), STATES.values(), ids=STATES)
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def readable(folder: Path) -> set[bytes]:
    """Return what another user can read of the files below a folder, links followed."""
    seen, sent = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with open(sent, "wb") as pipe:
                pipe.write(BETWEEN.join(_content(path) for path in folder.rglob("*")))
        finally:
            os._exit(0)
    os.close(sent)
    with open(seen, "rb") as pipe:
        found = set(pipe.read().split(BETWEEN))
    os.waitpid(child, 0)
    return found - {b""}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


@dataclass
class Scene:
    """A mirror with a product of ours, one of theirs, and what was made of both."""

    root: Path
    rows: dict[str, Entry] = field(default_factory=dict)

    def take(self, data: bytes) -> str:
        """Take bytes in, closed as a worker does; return their sha256."""
        file = Objects(self.root).incoming / "new"
        file.write_bytes(data)
        return Objects(self.root).add(file, mode=CLOSED)

    def hold(self, root: str, exclusive: bool, data: bytes = b"") -> Entry:
        """Hold a raw exposure, or give the one that is held another access."""
        program, name = int(root[2:7]), f"{root}_uncal.fits"
        data = data or f"raw of {root}".encode()
        offered = structs.replace(product(name, data), program=program, exclusive=exclusive)
        entry = Entry(
            path=upstream_path(offered),
            origin="upstream",
            sha256=self.take(data),
            size=len(data),
            identity=digest(root),
            product=offered,
        )
        self.rows[entry.path] = entry
        return entry

    def make(self, path: str, pipeline: str, *inputs: Entry) -> Entry:
        """Keep a result of some rows, as a worker does."""
        data = f"{pipeline} {path}".encode()
        file = ResultFile(
            filename=path.rpartition("/")[2],
            sha256=self.take(data),
            size=len(data),
            identity=digest(path),
        )
        derivation = Derivation(
            pipeline=pipeline,
            product="x",
            engine={},
            inputs=tuple(
                Input(
                    name=each.filename, role="science", identity=each.identity, sha256=each.sha256
                )
                for each in inputs
            ),
            parameters={"path": path},
            references={},
            hooks=(("own.hook", "5a" * 32),),
        )
        key = digest(derivation)
        kept = ProvenanceRecord(
            key=key, derivation=derivation, files=(file,), seconds=1, peak_memory=1, made_at=""
        )
        Provenance(self.root).record_once(kept)
        row = {"sha256": file.sha256, "size": file.size, "identity": file.identity, "key": key}
        entry = Entry(path=f"recalibrated/deep/{path}", origin="deep", result="x/x", **row)
        self.rows[entry.path] = entry
        return entry

    def bytes_of(self, entry: Entry) -> bytes:
        """Return the content of a row."""
        return Objects(self.root).path(entry.sha256).read_bytes()

    def places(self) -> list[Path]:
        """Return the view, and checkouts of the first generation in every mode."""
        folders = [self.root.parent / mode for mode in (SYMLINK, HARDLINK, COPY)]
        for folder in folders:
            check_out(self.root, 1, folder, folder.name)
        return [self.root, *folders]

    def bags(self) -> list[Path]:
        """Return a bag of each generation."""
        numbers = [each.number for each in Generations(self.root).all()]
        folders = [self.root.parent / f"bag{number}" for number in numbers]
        for number, folder in zip(numbers, folders, strict=True):
            freeze(self.root, number, folder)
        return folders

    def publish(self) -> None:
        """Publish the rows, and write the page of the new generation, as earlier versions did."""
        generations = Generations(self.root)
        new = generations.publish(self.rows.values(), "run", {})
        if new is not None:
            rows = new.entries()
            page = report_path(self.root, new.number)
            closed = bool(generations.access().closed(rows))
            page.parent.mkdir(exist_ok=True)
            page.write_text(f"page of {new.number}")
            page.chmod(0o600 if closed else 0o644)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """An empty mirror in a folder that other users can enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Scene(Path(folder) / "mirror")


def acceptance_of(row: Entry) -> Acceptance:
    """The acceptance of a result with its caveats."""
    words = {"because": "checked", "who": "me", "accepted_at": "2026-03-01T12:00:00+00:00"}
    return Acceptance(
        key=row.key, recipe="deep", product="x", pipeline="detector1", caveats=(), **words
    )


@in_all_states
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_is_as_exclusive_as_its_inputs(scene, kind, accesses, is_open):
    """In the store, in the view, in checkouts and bags of every generation."""
    path, pipeline, other = RESULTS[kind]
    raw = scene.hold(MINE, exclusive=False), scene.hold(other, accesses[0])
    rates = [scene.make(f"jw01345/o001/{each.filename}", "detector1", each) for each in raw]
    result = scene.make(path, pipeline, *(raw[1:] if "ramp" in kind else rates))
    secret = {f"raw of {other}".encode(), scene.bytes_of(rates[1]), scene.bytes_of(result)}

    for exclusive in accesses:
        scene.hold(other, exclusive)
        scene.publish()

    for place in scene.places():
        found = readable(place)
        assert found & secret == (secret if is_open else set()), place
        assert f"raw of {MINE}".encode() in found
    for bag in scene.bags():
        inside = {path.read_bytes() for path in bag.rglob("*") if path.is_file()}
        assert inside & secret == (secret if is_open else set())


@in_all_states
def test_what_was_measured_on_a_result_is_as_exclusive_as_the_result(scene, accesses, is_open):
    """In its record, in its acceptance, and as a caveat in the manifests of all generations."""
    raw = scene.hold(THEIRS, accesses[0])
    rate = replace(scene.make("jw01345/o001/x_rate.fits", "detector1", raw), caveats=CAVEATS)
    scene.rows[rate.path] = rate
    keep_acceptance(scene.root, acceptance_of(rate))
    places = [scene.root / name for name in ("provenance", "accepted", "generations")]
    before = [readable(place) for place in places]

    for exclusive in accesses:
        scene.hold(THEIRS, exclusive)
        scene.publish()

    manifests = len(list(scene.root.glob("generations/*/manifest.parquet")))
    numbers = [len(readable(place)) for place in places]
    assert before == [set(), set(), set()]
    assert numbers == [is_open, is_open, manifests * (1 + is_open)]  # generation.json, and it


@pytest.mark.parametrize("with_exclusive", [False, True])
def test_a_bag_shows_others_no_number_that_was_measured_on_exclusive_data(scene, with_exclusive):
    """Without the exclusive files it may be given away; with them, it is closed as they are."""
    raw = scene.hold(THEIRS, exclusive=True)
    rate = replace(scene.make("jw01345/o001/x_rate.fits", "detector1", raw), caveats=CAVEATS)
    scene.rows[rate.path] = rate
    keep_acceptance(scene.root, acceptance_of(rate))
    scene.publish()
    bag = scene.root.parent / "bag"

    freeze(scene.root, 1, bag, with_exclusive=with_exclusive)

    rows = read_manifest(bag / "metadata" / "manifest.parquet")
    assert any(rows.column("caveats")) == with_exclusive
    records = [bag / "metadata" / name for name in ("provenance", "accepted")]
    assert [len(list(folder.glob("*"))) for folder in records] == 2 * [with_exclusive]
    shown = readable(bag)
    hidden = [
        path for path in bag.rglob("*") if path.is_file() and path.read_bytes() not in {b"", *shown}
    ]
    assert len(hidden) == (5 if with_exclusive else 0)  # two files, manifest, record, acceptance


@in_all_states
def test_a_page_with_pictures_is_as_exclusive_as_what_it_shows(scene, accesses, is_open):
    """Pages of older generations, too."""
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", scene.hold(THEIRS, accesses[0]))
    scene.make("jw01345/a3001/x_i2d.fits", "image3", rate)

    for exclusive in accesses:
        scene.hold(THEIRS, exclusive)
        scene.publish()

    pages = readable(scene.root / "reports")
    assert len(pages) == (len(accesses) if is_open else 0)


@in_all_states
def test_an_adopted_file_is_as_exclusive_as_mast_lists_it(scene, accesses, is_open):
    """From the moment that it is in the store."""
    data, folder = b"adopted", scene.root.parent / "files"
    offered = product(f"{THEIRS}_uncal.fits", data, exclusive=accesses[0])
    folder.mkdir()
    (folder / offered.filename).write_bytes(data)
    incoming = Objects(scene.root).incoming / "adopting"
    incoming.mkdir(mode=0o700)

    adopt(
        scene.root,
        folder,
        {offered.filename: offered},
        stored=(),
        describe=lambda of, path, sha256, size: Version(product=of, sha256=sha256, size=size),
        check=lambda path, name: None,
        into=incoming,
    )
    at_once = readable(scene.root)
    for exclusive in accesses:
        scene.hold(THEIRS, exclusive, data)
        scene.publish()

    assert (data in at_once) == (not accesses[0])
    assert [data in readable(place) for place in scene.places()] == 4 * [is_open]


def test_an_input_that_cannot_be_traced_closes_the_result(scene, caplog):
    """What nobody can vouch for is for its owner alone, and said so."""
    raw = scene.hold(MINE, exclusive=False)
    unknown = replace(raw, sha256="5a" * 32, identity="a5" * 32)
    scene.make("jw01345/o001/x_rate.fits", "detector1", raw, unknown)

    scene.publish()

    assert readable(scene.root / "current") == {f"raw of {MINE}".encode()}
    assert f"its input {MINE}_uncal.fits ({'5a' * 32}) cannot be traced" in caplog.text


def test_a_result_without_a_record_is_closed(scene):
    """Its inputs are not known."""
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", scene.hold(MINE, exclusive=False))
    Provenance(scene.root).path(rate.key).unlink()

    scene.publish()

    assert readable(scene.root / "current") == {f"raw of {MINE}".encode()}


def test_of_equal_bytes_the_stricter_access_counts(scene):
    """One object that is a public and an exclusive product is closed."""
    scene.hold(MINE, exclusive=False, data=b"equal")
    scene.hold(THEIRS, exclusive=True, data=b"equal")

    scene.publish()

    assert readable(scene.root / "current") == set()


def test_an_input_issued_again_is_traced_by_its_science(scene):
    """The bytes that a result was made of are pruned; MAST's present bytes say the same."""
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", scene.hold(MINE, exclusive=False))
    scene.publish()
    scene.hold(MINE, exclusive=False, data=b"issued again")
    scene.publish()
    prune(scene.root, RetentionPolicy(keep_last=1))
    scene.publish()

    assert scene.bytes_of(rate) in readable(scene.root / "current")


def test_what_a_result_was_made_of_can_be_traced_after_a_prune(scene):
    """The record of a pruned intermediate result stays while something made of it is shown."""
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", scene.hold(MINE, exclusive=False))
    mosaic = scene.make("jw01345/o001/x_i2d.fits", "image3", rate)
    scene.publish()
    del scene.rows[rate.path]
    scene.publish()
    prune(scene.root, RetentionPolicy(keep_last=1))

    scene.publish()

    assert not Objects(scene.root).has(rate.sha256)
    assert scene.bytes_of(mosaic) in readable(scene.root / "current")


def test_former_bytes_of_a_product_that_becomes_exclusive_are_closed(scene):
    """They are in older generations only, which can still be checked out."""
    scene.hold(MINE, exclusive=False)
    scene.publish()
    scene.hold(MINE, exclusive=True, data=b"reprocessed")

    scene.publish()

    check_out(scene.root, 1, scene.root.parent / "old", COPY)
    assert readable(scene.root / "objects") | readable(scene.root.parent / "old") == set()


def test_a_mirror_that_an_older_version_left_open_is_closed_at_the_next_run(scene):
    """Though nothing changed at MAST, and nothing is published."""
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", scene.hold(THEIRS, exclusive=True))
    scene.publish()
    Objects(scene.root).path(rate.sha256).chmod(0o444)
    report_path(scene.root, 1).chmod(0o644)
    Provenance(scene.root).path(rate.key).chmod(0o444)

    scene.publish()

    places = (scene.root / name for name in ("objects", "reports", "provenance"))
    assert set().union(*map(readable, places)) == set()


def test_a_record_that_an_older_version_left_open_closes_everything_else(scene):
    """Manifests and pages of earlier generations, too; so the next run needs to look once."""
    raw = scene.hold(THEIRS, exclusive=True)
    rate = replace(scene.make("jw01345/o001/x_rate.fits", "detector1", raw), caveats=CAVEATS)
    scene.rows[rate.path] = rate
    scene.publish()
    for path in (
        Provenance(scene.root).path(rate.key),
        *scene.root.glob("generations/*/*.parquet"),
    ):
        path.chmod(0o444)

    scene.publish()

    assert readable(scene.root / "provenance") == set()
    assert len(readable(scene.root / "generations")) == 1


def test_a_file_that_came_only_with_the_token_is_exclusive(scene):
    """Although MAST lists it as public, until it comes without; so is what was made from it."""
    raw = scene.hold(THEIRS, exclusive=False)
    rate = scene.make("jw01345/o001/x_rate.fits", "detector1", raw)
    doubted = structs.replace(raw.upstream, needs_token=True)
    scene.rows[raw.path] = replace(raw, product=doubted)
    scene.publish()
    at_first = readable(scene.root / "current") | readable(scene.root / "provenance")

    scene.rows[raw.path] = raw
    scene.publish()

    assert at_first == set()
    assert readable(scene.root / "current") == {scene.bytes_of(raw), scene.bytes_of(rate)}
    assert len(readable(scene.root / "provenance")) == 1
