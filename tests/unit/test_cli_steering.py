"""The commands that steer a mirror: what they do, tell and answer as JSON."""

import re

import pytest

from jwmirror.core.model.plan import Published
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, MOSAIC, image_writer, made_from


@pytest.fixture
def steered(small_mirror):
    """The small mirror with a second generation, which lacks one result."""
    rows = [each for each in Generations(small_mirror.root).entries() if "_rate" not in each.path]
    Generations(small_mirror.root).publish(rows, "less", {})
    small_mirror.record("published.json", {})
    return small_mirror


def current(mirror) -> int:
    """The number of the current generation."""
    return Generations(mirror.root).current().number


def test_rollback_by_number_and_by_name(steered):
    """A dry run moves nothing; the command says what the next run makes of it."""
    at = ("--mirror", steered.root)
    assert "would become" in run("rollback", 1, "--dry-run", *at)
    assert current(steered) == 2

    run("pin", "start", 1, *at)
    page = run("rollback", "start", *at)

    assert current(steered) == 1
    assert "generation 1 is now the current one, instead of 2" in page
    assert "the next run undoes this rollback" in " ".join(page.split())
    assert answer("rollback", 2, *at) == {
        "mirror": str(steered.root), "before": 1, "generation": 2, "set_aside": [], "hold": None
    }  # fmt: skip


def test_status_after_a_rollback_says_what_the_next_run_brings_back(small_mirror):
    """An earlier generation is not what MAST and the config ask for."""
    at = ("--mirror", small_mirror.root)
    assert answer("status", *at)["notes"] == []

    small_mirror.record("published.json", Published(generation=2, is_new=True))

    (note,) = answer("status", *at)["notes"]
    assert "publishes what MAST and the config ask for" in note
    assert "that is generation 2 again" in note


def test_names_are_given_and_taken(steered):
    """Without a number the current generation gets the name."""
    at = ("--mirror", steered.root)
    run("pin", "paper", "--dry-run", *at)
    assert not (steered.root / "pins").exists()

    pinned = answer("pin", "paper", *at)

    assert (pinned["name"], pinned["generation"], pinned["kind"]) == ("paper", 2, "pin")
    assert "a pin (paper (2))" in " ".join(run("rollback", "papr", *at, code=1).split())
    assert "pin: paper; less" in " ".join(run("log", *at).split())
    assert answer("log", *at)["names"] == {"2": ["paper"]}
    assert "paper no longer names generation 2" in run("unpin", "paper", *at)


def test_a_generation_is_named_alike_in_every_command(steered, tmp_path):
    """By number, by pin, or as the current one; wherever a command takes one."""
    at = ("--mirror", steered.root)
    run("pin", "old", 1, *at)

    assert answer("pin", "same", "old", *at)["generation"] == 1
    assert answer("pin", "new", "current", *at)["generation"] == 2
    for name, number in (("old", 1), ("current", 2), ("2", 2)):
        shown = answer("checkout", name, "--to", tmp_path / f"shown-{name}", *at)
        assert shown["generation"] == number


def test_no_mirror_is_not_a_whole_one(tmp_path):
    """A folder that is not there is told by every command; an empty one is nothing to verify."""
    for command in (["verify"], ["status"], ["log"], ["rollback", 1]):
        said = run(*command, "--mirror", tmp_path / "mistyped", code=2)
        assert "there is no such folder" in " ".join(said.split())

    for command in (["verify"], ["rollback", 1], ["diff", 1, 2], ["log", "a_cal.fits"]):
        assert "holds no mirror yet; `jwmirror run` makes" in run(
            *command, "--mirror", tmp_path, code=1
        )


def test_verify_ends_with_1_where_something_is_wrong(steered):
    """Each problem is told with its place."""
    at = ("--mirror", steered.root)
    assert "no problems found" in run("verify", "--full", *at)
    entry = Generations(steered.root).entries()[0]
    Objects(steered.root).path(entry.sha256).unlink()

    page = run("verify", *at, code=1)

    path = f"objects/{entry.sha256[:2]}/{entry.sha256}"
    assert f"stored file  {path}: expected {entry.size} bytes, found nothing" in page


def test_prune_tells_what_it_would_do_and_does_it(steered):
    """The dry run lists the same plan; without a policy it is a mistake of the call."""
    at = ("--mirror", steered.root)
    assert "say what to keep" in run("prune", *at, code=2)
    plan = answer("prune", "--keep-last", 1, "--dry-run", *at)

    done = answer("prune", "--keep-last", 1, *at)

    assert plan == done
    assert (done["generations"], len(done["objects"]), len(done["records"])) == ([1], 1, 1)
    assert done["kept"] == {"2": "current"}
    assert "1 generation were" not in run("prune", "--keep-last", 1, *at)


def test_the_history_of_a_file(steered):
    """Its versions, the generations that have them, and why it changed."""
    at = ("--mirror", steered.root)
    former = steered.rows[f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"]
    steered.hold(former.filename, image_writer(9.0), checksum="0d" * 16, cal_ver="1.19.0")
    steered.publish("reprocessed")

    found = answer("log", former.filename, *at)["versions"]

    assert [(each["first"], each["last"]) for each in found] == [(1, 2), (3, 3)]
    reasons = [tuple(each[key] for key in ("what", "old", "new")) for each in found[1]["reasons"]]
    assert ("CAL_VER", "1.18.0", "1.19.0") in reasons
    assert "MAST reprocessed jw01345 o001: CAL_VER 1.18.0 -> 1.19.0" in run(
        "log", former.filename, *at
    )
    assert "did you mean" in run("log", "jw01345-o001_image3_as.json", *at, code=1)


def test_the_log_tells_what_was_pruned(steered):
    """A pruned generation stays in the history; of a file it tells what is left."""
    at = ("--mirror", steered.root)
    run("prune", "--keep-last", 1, *at)

    assert answer("log", *at)["pruned"] == [1]
    assert "pruned; run of 2026-03-01" in run("log", *at)


def test_states_beside_the_current_one(steered, tmp_path):
    """By number, by name and by day."""
    at = ("--mirror", steered.root)
    assert "would be in" in run("checkout", 1, "--to", tmp_path / "x", "--dry-run", *at)
    assert not (tmp_path / "x").exists()

    run("checkout", 1, "--to", tmp_path / "x", *at)
    today = answer("as-of", "2100-01-01", "--to", tmp_path / "y", "--mode", "copy", *at)

    assert len(list((tmp_path / "x").rglob("*_rate.fits"))) == 1
    assert (today["generation"], today["mode"]) == (2, "copy")
    assert len(list((tmp_path / "y").rglob("*_rate.fits"))) == 0


@pytest.mark.parametrize(
    "command",
    [
        ["status", "--all"],
        ["log"],
        ["log", f"{EXPOSURE}_uncal.fits"],
        ["log", f"{MOSAIC}_i2d.fits"],
        ["diff", "1", "2", "--all"],
        ["diff", "1", "2", f"{EXPOSURE}_uncal.fits"],
        ["diff", ":upstream", ":deep", "--all"],
        ["explain", f"{MOSAIC}_i2d.fits"],
        ["explain", f"{EXPOSURE}_uncal.fits"],
        ["products", "1345/o001"],
        ["failures"],
        ["verify"],
        ["prune", "--keep-last", "1", "--dry-run"],
        ["outdated", "."],
        ["whatis", f"{MOSAIC}_i2d.fits", f"{EXPOSURE}_uncal.fits"],
        ["rollback", "1", "--dry-run"],
    ],
    ids=" ".join,
)
def test_no_page_shows_a_hash(small_mirror, tmp_path, monkeypatch, command):
    """Without --verbose; a file was reprocessed, a result made again, both were copied before."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for row in list(small_mirror.rows.values()):
        source = Objects(small_mirror.root).path(row.sha256)
        (folder / row.filename).write_bytes(source.read_bytes())
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(9.0), checksum="0d" * 16)
    made = made_from("image3", MOSAIC, f"{EXPOSURE}_cal.fits", resample={"pixfrac": 0.5})
    small_mirror.make(made, f"{MOSAIC}_i2d.fits", image_writer(7.0))
    small_mirror.publish("reprocessed")
    monkeypatch.chdir(folder)

    page = run(*command, "--mirror", small_mirror.root)

    assert not re.search(r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}\b", page)
