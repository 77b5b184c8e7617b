"""The store beside rsync, rclone, restic, borg, git-annex and DVC: take in, look again, verify.

`python -m benchmarks store [--files N] [--size BYTES] [--only NAME ...]`. Every engine takes the
same folder of files, in one run on one disk; what is not installed, or not done within the limit,
is said so. Ours is durable when it returns (so are restic and borg); rsync, rclone and DVC are not.
`status` tells an unchanged copy from a changed one, `verify` reads every byte, `rollback` goes back
by one generation. The peers are commands; of ours the functions are timed, without Python's start.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from jwmirror.records import GONE, UPSTREAM, Entry
from jwmirror.store.generations import Generations
from jwmirror.store.objects import THREADS, Objects
from jwmirror.store.rollback import roll_back
from jwmirror.store.verification import verify

CORES = os.cpu_count() or 1
LIMIT_S = 300.0  # that one step of one engine may take
FOLDER = 100  # files per folder of the source
STEPS = ("ingest", "status", "verify", "rollback")
SUMS = f"find objects/?? -type f -print0 | xargs -0 -n 500 -P {CORES} sha256sum > /dev/null"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another engine, as the shell commands of its steps; {source} and {to} are filled in."""

    name: str
    ingest: str
    status: str
    verify: str
    environment: dict[str, str] = field(default_factory=dict)


GIT = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
}
PEERS = (
    Peer(
        name="rsync",
        ingest="rsync -a {source}/ {to}/",
        status="rsync -a {source}/ {to}/",
        verify="rsync -anc {source}/ {to}/",
    ),
    Peer(
        name="rclone",
        ingest="rclone -q sync {source} {to}",
        status="rclone -q sync {source} {to}",
        verify="rclone -q check {source} {to}",
    ),
    Peer(
        name="restic",
        ingest="restic -q init -r {to} && restic -q backup -r {to} {source}",
        status="restic -q backup -r {to} {source}",
        verify="restic -q check --read-data -r {to}",
        environment={"RESTIC_PASSWORD": "bench"},
    ),
    Peer(
        name="borg",
        ingest="borg init -e none {to} && borg create {to}::one {source}",
        status="borg create {to}::two {source}",
        verify="borg check --verify-data {to}",
        environment={"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"},
    ),
    Peer(
        name="git-annex",
        ingest="git init -q {to} && cd {to} && git annex init -q && cp -r {source}/. . "
        "&& git annex add -q . && git commit -qm one",
        status="cd {to} && git annex add -q . && git status --short",
        verify="cd {to} && git annex fsck -q",
        environment=GIT,
    ),
    Peer(
        name="dvc",
        ingest="cp -r {source} {to}.data && mkdir {to} && mv {to}.data {to}/data && cd {to} "
        "&& dvc init -q --no-scm && dvc add -q data",
        status="cd {to} && dvc status -q",
        verify="cd {to} && rm -rf .dvc/tmp && dvc status -q",
    ),
)


def main() -> None:
    """Let every engine do its steps, and print what each took, beside rsync."""
    asked = arguments()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        source = made(Path(name) / "source", asked.files, asked.size)
        print(f"{asked.files:,} files of about {asked.size:,} bytes; s, and the ratio to rsync")
        print(f"{'':12}" + "".join(f"{step:>18}" for step in STEPS))
        first: dict[str, float] = {}
        for engine, steps in engines(source, Path(name), asked.only):
            took = {step: seconds(work) for step, work in steps.items()}
            first = first or took
            print(
                f"{engine:12}" + "".join(_cell(took.get(step), first.get(step)) for step in STEPS)
            )


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=20_000, help="bytes of a file, about")
    parser.add_argument("--only", nargs="*", help="engines to run; rsync always does")
    parser.add_argument("--folder", help="where to work; else the system's temporary folder")
    return parser.parse_args()


def made(folder: Path, count: int, size: int) -> Path:
    """A folder of files of noise, their sizes spread by half about `size` bytes."""
    dice = random.Random(count)
    for number in range(count):
        place = folder / f"{number // FOLDER:04d}"
        if number % FOLDER == 0:
            place.mkdir(parents=True)
        data = dice.randbytes(size + dice.randrange(-size // 2, size // 2))
        (place / f"jw01345001001_02101_{number:06d}_nrcb1_rate.fits").write_bytes(data)
    return folder


def engines(
    source: Path, folder: Path, only: list[str] | None
) -> Iterator[tuple[str, dict[str, Callable[[], object]]]]:
    """Each engine that is here, and its steps."""
    for peer in PEERS:
        if peer.name != "rsync" and only is not None and peer.name not in only:
            continue
        if shutil.which(peer.name) is None:
            print(f"{peer.name:12}  not installed")
            continue
        to = folder / peer.name
        yield peer.name, {step: _shell(peer, step, source, to) for step in STEPS[:3]}
        shutil.rmtree(to, ignore_errors=True)
        if peer.name == "rsync":  # beside it, so that both meet the same state of the disk
            yield "jwmirror", ours(source, folder / "mirror")
            yield "sha256sum", {"verify": lambda: _run(SUMS, folder / "mirror")}
            shutil.rmtree(folder / "mirror", ignore_errors=True)


def _shell(peer: Peer, step: str, source: Path, to: Path) -> Callable[[], object]:
    command = getattr(peer, step).format(source=source, to=to)
    return lambda: _run(command, source, peer.environment)


def _run(command: str, folder: Path, environment: dict[str, str] | None = None) -> None:
    subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | (environment or {}),
        check=True,
        capture_output=True,
        timeout=LIMIT_S,
    )


def seconds(work: Callable[[], object]) -> float | None:
    """The wall seconds of a step that begins with nothing left to write; None past the limit."""
    getattr(work, "prepare", lambda: None)()
    os.sync()
    began = time.monotonic()
    try:
        work()
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as err:
        sys.exit(f"{err.cmd[-1]}\n{err.stderr.decode(errors='replace')}")
    return time.monotonic() - began


def _cell(took: float | None, first: float | None) -> str:
    if took is None:
        return f"{'-':>18}"
    ratio = f"{took / first:.2f}x" if first else ""
    return f"{took:10.2f}{ratio:>8}"


# ---- ours ------------------------------------------------------------------------------------


def ours(source: Path, mirror: Path) -> dict[str, Callable[[], object]]:
    """Our steps, by the library's functions: what a command adds is the start of Python."""

    def ingest() -> None:
        first = taken(source, mirror)
        Generations(mirror).publish(first, "bench", {})

    def look(full: bool) -> None:
        found = verify(mirror, full)
        if found.problems:
            sys.exit(f"the mirror should be whole: {found.problems[0]}")

    def back() -> None:
        roll_back(mirror, 1)

    return {
        "ingest": ingest,
        "status": lambda: look(full=False),
        "verify": lambda: look(full=True),
        "rollback": _after(lambda: _publish_another(mirror), back),
    }


def taken(source: Path, mirror: Path) -> list[Entry]:
    """Copy the files of a folder in, hashed and durable; the rows of a manifest for them."""
    objects = Objects(mirror)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    incoming = Path(tempfile.mkdtemp(dir=objects.incoming))
    copies = [incoming / path.name for path in files]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(shutil.copyfile, files, copies))
    sums = objects.take_many(copies)
    incoming.rmdir()
    return [
        Entry(
            path=f"upstream/jw01345/{path.parent.name}/{path.name}",
            origin=UPSTREAM,
            sha256=sha256,
            size=path.stat().st_size,
        )
        for path, sha256 in zip(files, sums, strict=True)
    ]


def _publish_another(mirror: Path) -> None:
    """A second generation: each tenth file is marked as vanished, each fiftieth is gone."""
    rows = list(Generations(mirror).entries())
    marked = [replace(row, state=GONE) if n % 10 == 0 else row for n, row in enumerate(rows)]
    Generations(mirror).publish([row for n, row in enumerate(marked) if n % 50], "bench", {})


def _after(prepare: Callable[[], object], work: Callable[[], object]) -> Callable[[], object]:
    """Work whose preparation is not timed."""
    work.prepare = prepare
    return work


if __name__ == "__main__":
    main()
