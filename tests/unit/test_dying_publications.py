"""A publication that dies at any step leaves a complete state, and the next one completes it."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.files import sha256_of
from jwmirror.core.model import GONE, Entry
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from tests.setup.mirrors import overwrite, store_row
from tests.unit.test_generations import seen

MUTATIONS = ("replace", "rename", "symlink", "mkdir", "fsync", "unlink", "rmdir", "chmod", "link")
DIED = 77


# ---- dying midway ----------------------------------------------------------------------------


def die_at(step: int) -> list[int]:
    """Let this process stop dead before its n-th change to the disk; the counter."""
    count = [0]

    def watched(act: Callable) -> Callable:
        def perform(*args, **kwargs):
            count[0] += 1
            if count[0] == step:
                os._exit(DIED)
            return act(*args, **kwargs)

        return perform

    for name in MUTATIONS:
        setattr(os, name, watched(getattr(os, name)))
    return count


def publish_in_child(mirror: Path, rows: list[Entry], step: int) -> bool:
    """Publish in another process that dies before its n-th change; whether it came through."""
    child = os.fork()
    if child == 0:
        die_at(step)
        Generations(mirror).publish(rows, "two", {})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, DIED)
    return code == 0


def test_wherever_a_publisher_dies_one_state_is_whole_and_a_rerun_converges(tmp_path):
    """At every change to the disk: old or new state, pointers agree, publishing again completes."""
    came_through, step = False, 0
    while not came_through:
        step += 1
        mirror = tmp_path / str(step)
        old = [store_row(mirror, "a", b"1"), store_row(mirror, "b", b"2")]
        new = [
            store_row(mirror, "a", b"one"),
            replace(old[1], state=GONE),
            store_row(mirror, "c", b"3"),
        ]
        Generations(mirror).publish(old, "one", {})

        came_through = publish_in_child(mirror, new, step)

        found = Generations(mirror)
        states = {1: old, 2: new}
        assert found.entries() == states[found.current().number]
        assert seen(mirror) in (shown(mirror, old), shown(mirror, new))
        found.repair_pointers()
        assert seen(mirror) == shown(mirror, found.entries())
        found.publish(new, "two", {})
        assert seen(mirror) == shown(mirror, new)
        assert [each.number for each in found.all()] == [1, 2]
        assert sorted(os.listdir(mirror / "views")) == ["000001", "000002"]
        assert sorted(os.listdir(mirror / "generations")) == ["000001", "000002"]
    assert step > 20


def test_another_state_than_the_interrupted_one_can_follow(mirror):
    """A generation that never became current is not built upon, and its number is not reused."""
    old, late = [store_row(mirror, "a", b"1")], [store_row(mirror, "a", b"2")]
    Generations(mirror).publish(old, "one", {})
    Generations(mirror).publish(late, "interrupted", {})
    (mirror / "CURRENT").write_text("1\n")

    published = Generations(mirror).publish([store_row(mirror, "a", b"3")], "three", {})

    assert (published.number, published.parent) == (3, 1)
    assert seen(mirror) == {"upstream/jw01345/o001/a": b"3"}


def test_wherever_taking_in_dies_no_object_is_wrong(tmp_path):
    """Die at every change of taking in: what bears a name is whole, and a re-run ends it."""
    died, step = True, 0
    while died:
        step += 1
        objects = Objects(tmp_path / str(step))
        files = []
        for number in range(3):
            files.append(objects.incoming / str(number))
            files[-1].write_bytes(b"ramp" * number)
        child = os.fork()
        if child == 0:
            die_at(step)
            objects.add_files(files)
            os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED

        for path in objects.folder.glob("??/*"):
            assert sha256_of(path) == path.name
        objects.add_files(file for file in files if file.exists())
        assert all(objects.has(hashlib.sha256(b"ramp" * n).hexdigest(), 4 * n) for n in range(3))
    assert step > 5


def shown(mirror: Path, rows: list[Entry]) -> dict[str, bytes]:
    """What current/ shows of rows."""
    return {entry.path: Objects(mirror).path(entry.sha256).read_bytes() for entry in rows}


def sh(mirror: Path, block: str) -> subprocess.CompletedProcess:
    """Run a block of docs/store.md in the mirror's folder."""
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    script = page.split(f"```sh {block}\n")[1].split("```")[0]
    return subprocess.run(["sh", "-c", script], cwd=mirror, capture_output=True, text=True)


def test_sha256sum_alone_checks_objects(mirror):
    """The line in docs/store.md accepts a sound store, and names a decayed object."""
    entry = store_row(mirror, "a", b"1")
    Generations(mirror).publish([entry], "one", {})
    sound = sh(mirror, "check-objects")
    overwrite(Objects(mirror).path(entry.sha256), b"2")

    decayed = sh(mirror, "check-objects")

    assert (sound.returncode, sound.stdout) == (0, "")
    assert decayed.returncode != 0
    assert f"{entry.sha256}: FAILED" in decayed.stdout


@pytest.mark.parametrize(
    ("name", "told"), [("generation.json", "parent"), ("manifest.parquet", "manifest")]
)
def test_sha256sum_alone_checks_the_chain(mirror, name, told):
    """The lines in docs/store.md accept a sound chain, and name the generation that was edited."""
    for data in (b"1", b"2", b"3"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})
    sound = sh(mirror, "check-generations")
    record = mirror / "generations/000002" / name
    overwrite(record, record.read_bytes().replace(b"u", b"U"))

    edited = sh(mirror, "check-generations")

    assert (sound.returncode, sound.stdout) == (0, "")
    assert edited.returncode != 0
    assert f"{told} differs" in edited.stdout
