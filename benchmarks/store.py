"""The store compared with rsync, rclone, restic, borg, git-annex and DVC: add, check, verify.

`python -m benchmarks store [--files N] [--size BYTES] [--only NAME ...]`. All programs add the same
folder of files on the same disk. Programs that are not installed, or exceed the time limit, are
reported as such. Data are durable when jwmirror, restic and borg return, but not with rsync, rclone
and DVC. Steps: `ingest` adds the files, `publish` makes a generation with its view, `status` checks
that all files are there with the right size (`jwmirror verify`), `verify` reads every byte, and
`rollback` goes back by one generation. Our steps are timed as functions, and also as commands; the
others are commands. rsync, jwmirror and `sha256sum` run in turns; their medians are compared. The
exit code is not zero if a goal is missed.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.peers import FLOORS, PEERS, RSYNC, Peer
from jwmirror.core.model import GONE, UPSTREAM, Entry
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects

CORES = os.cpu_count() or 1
FOLDER = 100  # files per folder of the source
STEPS = ("ingest", "publish", "status", "verify", "rollback")
FEW = 10_000  # up to this number, status is compared with rsync; beyond, with one second
SUMS = f"find objects/?? -type f -print0 | xargs -0 -n 500 -P {CORES} sha256sum > /dev/null"


Took = dict[str, float | None]  # seconds of each step; None: not finished within the limit


def main() -> str | None:
    """Run all steps of all programs; print their times compared with rsync, and missed goals."""
    asked = arguments()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        source = made(Path(name) / "source", asked.files, asked.size)
        print(f"{asked.files:,} files of about {asked.size:,} bytes; s, and the ratio to rsync")
        print(f"{'':16}" + "".join(f"{step:>18}" for step in STEPS), flush=True)
        found = in_turns(source, Path(name), asked.rounds, asked.limit)
        for engine, took in found.items():
            show(engine, took, found["rsync"])
        for peer in PEERS:
            if asked.only is None or peer.name in asked.only:
                to = Path(name) / peer.name
                if shutil.which(peer.name) is None:
                    print(f"{peer.name:16}  not installed")
                    continue
                show(peer.name, timed(shell_steps(peer, source, to, asked.limit)), found["rsync"])
                shutil.rmtree(to, ignore_errors=True)
        return judged(found, asked.files)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FEW)
    parser.add_argument("--size", type=int, default=20_000, help="bytes of a file, about")
    parser.add_argument("--only", nargs="*", help="peers to run; rsync always does")
    parser.add_argument("--rounds", type=int, default=3, help="of rsync and ours, in turns")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for a peer's step")
    parser.add_argument("--folder", help="where to work; else the system's temporary folder")
    return parser.parse_args()


def in_turns(source: Path, folder: Path, rounds: int, limit: float) -> dict[str, Took]:
    """Return median seconds of rsync, the lower limits, ours and sha256sum, run in turns."""
    runs: dict[str, list[Took]] = {}
    for number in range(rounds):
        mirror = folder / f"mirror{number}"
        for peer in (RSYNC, *FLOORS):
            steps = shell_steps(peer, source, folder / f"copy{number}", limit)
            runs.setdefault(peer.name, []).append(timed(steps))
            shutil.rmtree(folder / f"copy{number}")
        steps = ours(source, mirror)
        back = {"rollback": steps.pop("rollback")}
        took = timed(steps)
        look = f"{sys.executable} -m jwmirror.cli verify --mirror {mirror}"
        steps = {"status": lambda at=mirror, look=look: _run(look, at, limit)}
        runs.setdefault("its command", []).append(timed(steps))  # of the same one generation
        runs.setdefault("jwmirror", []).append(took | timed(back))
        steps = {"verify": lambda at=mirror: _run(SUMS, at, limit)}
        runs.setdefault("sha256sum", []).append(timed(steps))
    return {name: _medians(each) for name, each in runs.items()}


def timed(steps: dict[str, Callable[[], object]]) -> Took:
    """Return the seconds of each step; after an unfinished step the rest is not tried."""
    took: Took = {}
    for step, work in steps.items():
        took[step] = seconds(work)
        if took[step] is None:
            break
    return took


def judged(found: dict[str, Took], files: int) -> str | None:
    """Print each goal beside the measured value; return the missed goals."""
    ours, rsync = found["jwmirror"], found["rsync"]
    few = files <= FEW
    goals = {
        "ingest, durable, to rsync's copy": (ours["ingest"] / rsync["ingest"], 2.0, "x"),
        "status to rsync's no-op": (ours["status"] / rsync["status"], 1.0, "x"),
        "status, as a command": (found["its command"]["status"], 1.0, " s"),
        "full verify to sha256sum": (ours["verify"] / found["sha256sum"]["verify"], 1.2, "x"),
        "rollback": (ours["rollback"], 1.0, " s"),
    }
    del goals["status, as a command" if few else "status to rsync's no-op"]
    both = (ours["ingest"] + ours["publish"]) / rsync["ingest"]
    print(f"\n{'ingest and publish, to rsync copy':36} {both:6.2f}x  (no goal: with the view)")
    missed = []
    for name, (value, goal, unit) in goals.items():
        holds = value <= goal
        print(f"{name:36} {value:6.2f}{unit}  goal {goal}{unit}: {'holds' if holds else 'MISSED'}")
        missed += [] if holds else [f"{name} {value:.2f}{unit}, goal {goal}{unit}"]
    return "; ".join(missed) or None


def show(engine: str, took: Took, first: Took) -> None:
    """Print the row of a program."""
    cells = (_cell(step in took, took.get(step), first.get(step)) for step in STEPS)
    print(f"{engine:16}" + "".join(cells), flush=True)


def made(folder: Path, count: int, size: int) -> Path:
    """Make a folder of random files with sizes of `size` bytes +- 50 %."""
    dice = random.Random(count)
    for number in range(count):
        place = folder / f"{number // FOLDER:04d}"
        if number % FOLDER == 0:
            place.mkdir(parents=True)
        data = dice.randbytes(size + dice.randrange(-size // 2, size // 2))
        (place / f"jw01345001001_02101_{number:06d}_nrcb1_rate.fits").write_bytes(data)
    return folder


def shell_steps(
    peer: Peer, source: Path, to: Path, limit: float
) -> dict[str, Callable[[], object]]:
    """Return the steps of another program as calls of its commands."""
    commands = {step: getattr(peer, step, "").format(source=source, to=to) for step in STEPS}
    return {
        step: lambda command=command: _run(command, source, limit, peer.environment)
        for step, command in commands.items()
        if command
    }


def _run(
    command: str, folder: Path, limit: float, environment: dict[str, str] | None = None
) -> None:
    """Run a shell command; after the time limit end all its processes and raise TimeoutExpired."""
    subprocess.run(
        ["timeout", "--kill-after", "5", str(limit), "bash", "-c", command],
        cwd=folder,
        env=os.environ | (environment or {}),
        check=True,
        capture_output=True,
    )


def seconds(work: Callable[[], object]) -> float | None:
    """Return the wall seconds of a step, after a sync of the disk; None after the time limit."""
    getattr(work, "prepare", lambda: None)()
    os.sync()
    began = time.monotonic()
    try:
        work()
    except subprocess.CalledProcessError as err:
        if err.returncode in (124, 137):  # as timeout(1) ends
            return None
        sys.exit(f"{err.cmd[-1]}\n{err.stderr.decode(errors='replace')}")
    return time.monotonic() - began


def _medians(runs: list[Took]) -> Took:
    steps = {step: [took.get(step) for took in runs] for step in runs[0]}
    return {step: None if None in each else median(each) for step, each in steps.items()}


def _cell(tried: bool, took: float | None, first: float | None) -> str:
    if took is None:
        return f"{'not finished' if tried else '-':>18}"
    ratio = f"{took / first:.2f}x" if first else ""
    return f"{took:10.2f}{ratio:>8}"


# ---- ours ------------------------------------------------------------------------------------


def ours(source: Path, mirror: Path) -> dict[str, Callable[[], object]]:
    """Return our steps as library functions; a command adds only the start of Python."""

    rows: list[Entry] = []

    def ingest() -> None:
        rows.extend(taken(source, mirror))

    def publish() -> None:
        Generations(mirror).publish(rows, "bench", {})

    def look(full: bool) -> None:
        found = verify(mirror, full)
        if found.problems:
            sys.exit(f"the mirror should be whole: {found.problems[0]}")

    def back() -> None:
        roll_back(mirror, 1)

    return {
        "ingest": ingest,
        "publish": publish,
        "status": lambda: look(full=False),
        "verify": lambda: look(full=True),
        "rollback": _after(lambda: _publish_another(mirror), back),
    }


def taken(source: Path, mirror: Path) -> list[Entry]:
    """Store the files of a folder as a fetch does, hashed on arrival; return their rows."""
    objects = Objects(mirror)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    incoming = Path(tempfile.mkdtemp(dir=objects.incoming))
    pairs = [(path, f"{incoming}/{path.name}") for path in files]
    chunks = [pairs[start : start + FOLDER] for start in range(0, len(pairs), FOLDER)]
    with ThreadPoolExecutor(CORES) as pool:
        copies = [each for chunk in pool.map(_copied, chunks) for each in chunk]
    sums = objects.add_files([(path, sha256) for path, sha256, _ in copies])
    incoming.rmdir()
    return [
        Entry(
            path=f"upstream/jw01345/{path.parent.name}/{path.name}",
            origin=UPSTREAM,
            sha256=sha256,
            size=size,
        )
        for path, sha256, (_, _, size) in zip(files, sums, copies, strict=True)
    ]


def _copied(pairs: list[tuple[Path, str]]) -> list[tuple[Path, str, int]]:
    """Yield (copy, sha256, size) of files, each read once."""
    found, block = [], memoryview(bytearray(1 << 20))
    for source, copy in pairs:
        total, size = hashlib.sha256(), 0
        with open(source, "rb", buffering=0) as reader, open(copy, "xb", buffering=0) as writer:
            while count := reader.readinto(block):
                total.update(block[:count])
                size += writer.write(block[:count])
        found.append((Path(copy), total.hexdigest(), size))
    return found


def _publish_another(mirror: Path) -> None:
    """Publish a second generation: each tenth file vanished, each fiftieth removed."""
    rows = list(Generations(mirror).entries())
    marked = [replace(row, state=GONE) if n % 10 == 0 else row for n, row in enumerate(rows)]
    Generations(mirror).publish([row for n, row in enumerate(marked) if n % 50], "bench", {})


def _after(prepare: Callable[[], object], work: Callable[[], object]) -> Callable[[], object]:
    """Return work whose preparation is not timed."""
    work.prepare = prepare
    return work


if __name__ == "__main__":
    main()
