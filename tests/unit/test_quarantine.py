"""The folder of refused downloads keeps the newest of them, and has a largest size."""

from pathlib import Path

from jwmirror.core.errors import (
    RejectedError,
)
from jwmirror.net import quarantine
from jwmirror.net.quarantine import move_to_quarantine


def refuse(folder: Path, number: int, size: int = 10) -> None:
    """Move a file of some bytes to quarantine."""
    path = folder.parent / "file"
    path.write_bytes(bytes(size))
    error = RejectedError(f"{number}.fits", "size", 1, size)
    move_to_quarantine(path, "0" * 64, error, folder)


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the files in quarantine, each of which has its reason."""
    files = sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.rejected"))
    reasons = sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.rejected.reason"))
    assert files == reasons
    return files


def test_quarantine_keeps_the_newest_files(tmp_path, monkeypatch):
    """The oldest go first, each with its reason, when there are too many."""
    monkeypatch.setattr(quarantine, "MOST_FILES", 3)

    for number in range(5):
        refuse(tmp_path / "quarantine", number)

    assert numbers(tmp_path / "quarantine") == [2, 3, 4]


def test_quarantine_has_a_largest_size(tmp_path, monkeypatch):
    """The newest file stays even if it is larger than that."""
    monkeypatch.setattr(quarantine, "MOST_BYTES", 25)

    for number in range(4):
        refuse(tmp_path / "quarantine", number)
    assert numbers(tmp_path / "quarantine") == [2, 3]

    refuse(tmp_path / "quarantine", 4, size=30)
    assert numbers(tmp_path / "quarantine") == [4]


def test_what_repair_moved_to_quarantine_stays(tmp_path, monkeypatch):
    """Damaged files of the mirror may exist nowhere else."""
    monkeypatch.setattr(quarantine, "MOST_FILES", 1)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "abc.damaged").write_bytes(b"only here")

    for number in range(3):
        refuse(tmp_path / "quarantine", number)

    assert (tmp_path / "quarantine" / "abc.damaged").read_bytes() == b"only here"
