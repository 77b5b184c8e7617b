"""Commands that find the mirror's lease held on another host: told, or waited for with --wait."""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.store import lock
from jwmirror.store.lock import FREE, PUBLISHING_LOCK, RUN_LOCK, LockOwner
from tests.setup.command_line import run

CONFIG = """
mirror: {root}
archive: {{url: "{url}"}}
references: {{url: "http://localhost:1"}}
programs: [{{program: 1345}}]
"""
COMMANDS = {
    "rollback": ["rollback", "1"],
    "prune": ["prune", "--keep-last", "1"],
    "repair": ["verify", "--repair"],
    "adopt": ["adopt"],
}
CASES = [
    (command, name) for command in COMMANDS for name in (RUN_LOCK, PUBLISHING_LOCK)
    if (command, name) != ("adopt", PUBLISHING_LOCK)
]  # fmt: skip
BEATS_S = 1.0


def held_elsewhere(root: Path, name: str) -> Path:
    """Let another host have a lease; its file."""
    path = root / "locks" / name / replace(LockOwner.here(), host="elsewhere").name
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def beat_and_give_back(path: Path) -> None:
    """Be alive for a while, then be done."""
    for count in range(20):
        time.sleep(BEATS_S / 20)
        os.utime(path, (count, count))
    path.rename(path.with_name(FREE))


@pytest.mark.parametrize("lives", [False, True])
@pytest.mark.parametrize(("command", "name"), CASES)
def test_it_is_told_or_waited_for(
    small_mirror, archive, tmp_path, monkeypatch, command, name, lives
):
    """With --wait the living are waited for till they are done, the silent till they are dead."""
    monkeypatch.setattr(lock, "STILL_S", 0.5)
    monkeypatch.setattr(lock, "LOOK_S", 0.05)
    root, config, mine = small_mirror.root, tmp_path / "config.yaml", tmp_path / "mine"
    config.write_text(CONFIG.format(root=root, url=archive.url))
    mine.mkdir()
    words = [*COMMANDS[command], *([mine] if command == "adopt" else []), "--config", config]
    path = held_elsewhere(root, name)

    told = run(*words, code=1)
    assert "on elsewhere" in told and "no heartbeat" in told
    assert path.exists()
    holder = threading.Thread(target=beat_and_give_back, args=(path,))
    began = time.monotonic()
    if lives:
        holder.start()
    run(*words, "--wait")

    assert time.monotonic() - began >= (BEATS_S if lives else 0.5)
    assert os.listdir(path.parent) == [FREE]
    if lives:
        holder.join()
