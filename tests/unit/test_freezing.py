"""Freezing: bags that bagit finds valid, that say what they are, and that keep secrets."""

import os
import shutil
from datetime import date

import bagit
import pytest
import yaml

from jwmirror.core.errors import StoreError
from jwmirror.core.folders import new_folder
from jwmirror.core.model import Recipe, read
from jwmirror.core.model.stored import Setup
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance import bag as freezing
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.repair import repair
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, read_pins
from jwmirror.store.provenance import acceptance_path
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, overwrite


def hide(mirror) -> None:
    """Make the raw exposure exclusive, in a generation of its own."""
    mirror.hold(f"{EXPOSURE}_uncal.fits", lambda path: path.write_bytes(b"raw"), exclusive=True)
    mirror.publish("hidden")


def test_a_bag_is_valid_and_says_what_it_is(small_mirror, tmp_path):
    """Files, sums, provenance and citation are in it, and that its config is not known."""
    root, bag = small_mirror.root, tmp_path / "bag"

    page = run("freeze", 1, "--to", bag, "--mirror", root)

    assert "generation 1 is in the bag" in page
    assert bagit.Bag(str(bag)).is_valid()
    rows = Generations(root).entries()
    shown = {str(p.relative_to(bag / "data")) for p in (bag / "data").rglob("*") if p.is_file()}
    assert shown == set(rows.column("path"))
    tags = {str(p.relative_to(bag)) for p in bag.rglob("*") if p.is_file()}
    keys = {entry.key for entry in rows if entry.key}
    assert {f"metadata/provenance/{key}.json" for key in keys} <= tags
    assert "metadata/config.yaml" not in tags
    assert "Not recorded" in (bag / "metadata/not-recorded.txt").read_text()
    assert "not recorded: config, recipes and installed versions" in " ".join(page.split())
    assert {"metadata/manifest.parquet", "metadata/generation.json"} <= tags
    citation = yaml.safe_load((bag / "CITATION.cff").read_text())
    assert (citation["version"], citation["type"]) == ("generation 1", "dataset")
    assert "1345" in citation["title"]


def with_setup(small_mirror) -> Setup:
    """Publish a generation with the config of its run."""
    setup = Setup(
        config={"mirror": "here", "programs": [{"program": 1345}]},
        recipes=(Recipe(name="deep", programs=(1345,), python="/env/bin/python"),),
        software={"": {"jwst": "3.0.0"}, "/env/bin/python": {"jwst": "1.20.2"}},
        citation="cff-version: 1.2.0\n",
    )
    small_mirror.hold("x_cat.ecsv", lambda path: path.write_text("x"))
    Generations(small_mirror.root).publish(
        small_mirror.rows.values(), "run", {"run": "r"}, setup=setup
    )
    return setup


def test_a_bag_has_the_config_and_versions_of_its_generation(small_mirror, tmp_path, monkeypatch):
    """They were recorded when it was published; the config and packages of today do not matter."""
    setup = with_setup(small_mirror)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(f"mirror: {small_mirror.root}\nset: [today]\n")
    monkeypatch.chdir(tmp_path)

    done = answer("freeze", "current", "--to", tmp_path / "bag")

    assert done["is_recorded"]
    metadata = tmp_path / "bag" / "metadata"
    assert (metadata / "config.yaml").read_text() == "mirror: here\nprograms:\n- program: 1345\n"
    assert (metadata / "environment/installed.txt").read_text() == "jwst==3.0.0\n"
    assert (metadata / "environment/recipe-deep.txt").read_text() == "jwst==1.20.2\n"
    assert (metadata / "software/CITATION.cff").read_text() == setup.citation
    assert read(metadata / "setup.json", Setup) == setup


def test_a_changed_record_of_the_config_is_noticed(small_mirror, tmp_path):
    """Its sha256 is in the record of the generation, which the next one vouches for."""
    with_setup(small_mirror)
    path = small_mirror.root / "generations" / "000002" / "setup.json"
    overwrite(path, path.read_bytes().replace(b"3.0.0", b"3.0.1"))

    found = answer("verify", "--mirror", small_mirror.root, code=1)

    assert [problem["path"] for problem in found["problems"]] == ["generations/000002/setup.json"]
    with pytest.raises(StoreError, match=r"sha256 of .*setup\.json"):
        freeze(small_mirror.root, 2, tmp_path / "bag")


def test_a_bag_of_a_decayed_object_is_not_made(small_mirror, tmp_path):
    """bagit hashes every file against its object's name; nothing is left, nothing is pinned."""
    path = Objects(small_mirror.root).path(Generations(small_mirror.root).entries()[0].sha256)
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))

    with pytest.raises(StoreError, match="not valid"):
        freeze(small_mirror.root, 1, tmp_path / "bag")

    assert not (tmp_path / "bag").exists()
    assert read_pins(small_mirror.root) == ()
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize("with_exclusive", [False, True])
def test_exclusive_files_are_left_out_unless_asked_for(small_mirror, tmp_path, with_exclusive):
    """They, and what was made beside them, are named as left out."""
    hide(small_mirror)
    told = freeze(small_mirror.root, 2, tmp_path / "bag", "copy", with_exclusive, dry_run=True)

    done = freeze(small_mirror.root, 2, tmp_path / "bag", "copy", with_exclusive)

    assert done == told
    assert bagit.Bag(str(tmp_path / "bag")).is_valid()
    listed = (tmp_path / "bag/metadata/left-out.txt").read_text()
    inside = list((tmp_path / "bag/data").rglob(f"{EXPOSURE}_*"))
    assert bool(inside) == with_exclusive
    assert (f"{EXPOSURE}_uncal.fits" in listed) != with_exclusive
    assert (f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits" in done.left_out) != (
        with_exclusive
    )


def test_what_the_mirror_lost_is_left_out_and_named(small_mirror, tmp_path):
    """A recorded loss keeps nobody from freezing, or checking out, the rest; both say so."""
    root = small_mirror.root
    gone = next(each for each in Generations(root).entries() if each.product)
    Objects(root).path(gone.sha256).unlink()
    with pytest.raises(StoreError, match="missing or short"):
        freeze(root, 1, tmp_path / "bag")
    repair(root, refetch=lambda products: ())

    page = run("freeze", 1, "--to", tmp_path / "bag", "--mirror", root)
    told = answer("checkout", 1, "--to", tmp_path / "copy", "--mode", "copy", "--mirror", root)

    assert "left out: 1 file that the mirror lost" in page
    assert bagit.Bag(str(tmp_path / "bag")).is_valid()
    assert (tmp_path / "bag/metadata/lost.txt").read_text() == f"{gone.sha256}  {gone.path}\n"
    rest = set(Generations(root).entries().column("path")) - {gone.path}
    for folder in (tmp_path / "bag/data", tmp_path / "copy"):
        assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == rest
    assert (told["lost"], told["files"]) == ([gone.path], len(rest))


@pytest.mark.parametrize("is_alive", [False, True])
def test_what_a_killed_freeze_left_goes_with_the_next(small_mirror, tmp_path, is_alive):
    """But not what another process is writing there now."""
    with new_folder(tmp_path / "bag") as other:
        (other / "data").mkdir()
        left = other if is_alive else other.with_name(".bag.unfinished-killed")
        left.mkdir(exist_ok=True)

        freeze(small_mirror.root, 1, tmp_path / "bag")

        assert left.exists() == is_alive
        shutil.rmtree(tmp_path / "bag")


def test_a_frozen_generation_is_not_pruned(small_mirror, tmp_path):
    """It has a name of kind frozen."""
    freeze(small_mirror.root, 1, tmp_path / "bag", "hardlink")
    hide(small_mirror)

    done = prune(small_mirror.root, RetentionPolicy(keep_last=1))

    assert done.kept["1"] == "pinned: frozen-000001"
    (pin,) = read_pins(small_mirror.root)
    assert (pin.kind, pin.place) == (freezing.FROZEN, str(tmp_path / "bag"))


def test_an_exclusive_file_that_was_open_is_closed_before_it_is_copied(small_mirror, tmp_path):
    """A bag has the modes of the objects; an older version may have left one open."""
    hide(small_mirror)
    (raw,) = (row for row in small_mirror.rows.values() if row.filename.endswith("_uncal.fits"))
    objects = Objects(small_mirror.root)
    objects.open_to_all(raw.sha256)

    freeze(small_mirror.root, 2, tmp_path / "bag", with_exclusive=True)

    (file,) = (tmp_path / "bag").rglob(raw.filename)
    assert objects.path(raw.sha256).stat().st_mode & 0o777 == 0o400
    assert file.stat().st_mode & 0o077 == 0


def test_a_dry_run_refuses_what_a_freeze_would_refuse(small_mirror, tmp_path):
    """A folder that is not empty, one of the mirror's, and a name that another generation has."""
    root = small_mirror.root
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for to in (tmp_path / "full", root / "objects" / "bag"):
        with pytest.raises(StoreError, match="nothing was written"):
            freeze(root, 1, to, dry_run=True)
    hide(small_mirror)
    add_pin(root, "frozen-000001", 2)

    with pytest.raises(StoreError, match="it names generation 2 already"):
        freeze(root, 1, tmp_path / "bag", dry_run=True)


def test_a_dry_run_says_what_the_bag_would_hold_and_writes_nothing(small_mirror, tmp_path):
    """Every field of the report."""
    root, rows = small_mirror.root, tuple(small_mirror.rows.values())

    report = freeze(root, 1, tmp_path / "bag", "hardlink", dry_run=True)

    assert (report.mirror, report.to) == (str(root), str(tmp_path / "bag"))
    assert (report.generation, report.name, report.mode) == (1, "frozen-000001", "hardlink")
    assert (report.files, report.bytes) == (len(rows), sum(row.size for row in rows))
    assert (report.left_out, report.lost, report.is_recorded) == ((), (), False)
    assert not (tmp_path / "bag").exists() and read_pins(root) == ()


def test_the_tag_files_of_a_bag_say_where_it_is_from(small_mirror, tmp_path):
    """As BagIt, cffconvert and sha256sum read them."""
    freeze(small_mirror.root, 1, tmp_path / "bag")
    generation = Generations(small_mirror.root).read(1)

    info = bagit.Bag(str(tmp_path / "bag")).info
    citation = yaml.safe_load((tmp_path / "bag/CITATION.cff").read_text())
    size = sum(row.size for row in small_mirror.rows.values())
    assert info["Payload-Oxum"] == f"{size}.{len(small_mirror.rows)}"
    assert info["External-Identifier"] == f"generation 1, {generation.manifest_sha256}"
    assert info["Internal-Sender-Description"] == generation.cause
    assert info["Bag-Software-Agent"].startswith("jwmirror")
    assert info["Bagging-Date"] == date.today().isoformat()
    assert citation["cff-version"] == "1.2.0"
    assert citation["date-released"] == generation.made_at[:10]
    assert list(citation["authors"][0]) == ["name"]
    (identifier,) = citation["identifiers"]
    assert identifier["value"] == f"sha256:{generation.manifest_sha256}"
    assert (identifier["type"], set(identifier)) == ("other", {"type", "value", "description"})
    assert (tmp_path / "bag/metadata/left-out.txt").read_text() == ""
    assert not (tmp_path / "bag/metadata/lost.txt").exists()
    lines = (tmp_path / "bag/bagit.txt").read_text().splitlines()
    assert lines == ["BagIt-Version: 0.97", "Tag-File-Character-Encoding: UTF-8"]


def test_a_bag_has_what_the_user_accepted_of_its_results(small_mirror, tmp_path):
    """An acceptance belongs to a key; other keys' are not in the bag."""
    keys = sorted({entry.key for entry in small_mirror.rows.values() if entry.key})
    for key in (keys[0], "ff" * 32):
        path = acceptance_path(small_mirror.root, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    freeze(small_mirror.root, 1, tmp_path / "bag")

    accepted = tmp_path / "bag/metadata/accepted"
    assert [path.name for path in accepted.iterdir()] == [f"{keys[0]}.json"]


def test_a_pin_that_was_there_before_stays_when_a_freeze_fails(small_mirror, tmp_path, monkeypatch):
    """It protects an earlier bag of the same generation."""
    freeze(small_mirror.root, 1, tmp_path / "one")

    def fail(*arguments: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(freezing, "_validate", fail)
    with pytest.raises(StoreError, match="no space"):
        freeze(small_mirror.root, 1, tmp_path / "two")

    (pin,) = read_pins(small_mirror.root)
    assert (pin.name, pin.place) == ("frozen-000001", str(tmp_path / "one"))


def test_versions_are_written_as_pip_reads_them(tmp_path):
    """Sorted by name, whatever its case."""
    text = freezing._requirements({"numpy": "2.0", "Jinja2": "3.1", "astropy": "7.0"})

    assert text == b"astropy==7.0\nJinja2==3.1\nnumpy==2.0\n"
