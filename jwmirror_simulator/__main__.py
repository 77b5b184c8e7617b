"""The observatory's command line: build one, serve it, and edit it while it is served."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.observatory import Observatory

SERVING = "serving.json"


class UsageError(Exception):
    """What was asked for cannot be done; the text says why, and what can."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when done, 1 when it failed, 2 when it was asked for wrongly."""
    asked = _parser().parse_args(arguments)
    try:
        asked.run(asked)
    except (UsageError, KeyError, ValueError, FileNotFoundError) as err:
        print(f"observatory: {err.args[0] if isinstance(err, KeyError) else err}", file=sys.stderr)
        return 2
    except OSError as err:
        print(f"observatory: {err}", file=sys.stderr)
        return 1
    return 0


def build(asked: argparse.Namespace) -> None:
    """Make the demo's world in a folder, with real exposures beside it where given."""
    if (asked.root / "program.json").exists():
        raise UsageError(f"{asked.root} already holds an observatory; name a new folder")
    observatory = Observatory.build(asked.root, real_exposures=asked.real)
    files = observatory.archive.filenames()
    print(
        f"built program {observatory.program.number} in {asked.root}: {len(files)} files on offer"
    )


def serve(asked: argparse.Namespace) -> None:
    """Serve a folder until SIGINT or SIGTERM; serving.json says where, and by which process."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    observatory = Observatory.open(asked.root)
    with observatory.serve(asked.port), _announced(observatory):
        print(f"archive     {observatory.archive_url}")
        print(f"references  {observatory.references_url}", flush=True)
        stop.wait()


@contextmanager
def _announced(observatory: Observatory):
    """Keep serving.json in the root while the body runs; UsageError if another process has it."""
    path, root = observatory.root / SERVING, str(observatory.root.resolve())
    _refuse_second(path, root)
    said = {
        "root": root,
        "archive": observatory.archive_url,
        "references": observatory.references_url,
        "pid": os.getpid(),
    }
    temporary = path.with_name(f".{SERVING}.{os.getpid()}")
    temporary.write_text(json.dumps(said, indent=1) + "\n")
    temporary.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _refuse_second(path: Path, root: str) -> None:
    """UsageError if serving.json is of this root (not of one that it was copied from) and true."""
    if not path.exists():
        return
    other = json.loads(path.read_text())
    with suppress(ProcessLookupError):
        os.kill(other["pid"], 0)
        if other["root"] == root:
            raise UsageError(f"process {other['pid']} already serves it at {other['archive']}")


def reprocess(asked: argparse.Namespace) -> None:
    """Give a file new bytes under its old name."""
    observatory = Observatory.open(asked.root)
    before = observatory.archive.holding(asked.file)
    after = observatory.archive.reprocess(asked.file, asked.edit)
    print(f"{asked.file}: {before.md5}, {before.size} bytes -> {after.md5}, {after.size} bytes")


def restamp(asked: argparse.Namespace) -> None:
    """Give an association a new stamp, and so a new name."""
    renamed = Observatory.open(asked.root).archive.restamp(asked.file, asked.stamp)
    print(f"{asked.file} -> {renamed}")


def withdraw(asked: argparse.Namespace) -> None:
    """Offer a file no more."""
    Observatory.open(asked.root).archive.withdraw(asked.file)
    print(f"{asked.file} is withdrawn")


def restore(asked: argparse.Namespace) -> None:
    """Offer a withdrawn file again."""
    Observatory.open(asked.root).archive.restore(asked.file)
    print(f"{asked.file} is back")


def restrict(asked: argparse.Namespace) -> None:
    """Hold a file back from those without a token."""
    Observatory.open(asked.root).archive.restrict(asked.file, asked.until)
    print(f"{asked.file} is exclusive until {asked.until}")


def release(asked: argparse.Namespace) -> None:
    """End a file's exclusive access."""
    Observatory.open(asked.root).archive.release(asked.file)
    print(f"{asked.file} is public")


def new_context(asked: argparse.Namespace) -> None:
    """Add a CRDS context in which one flat differs."""
    name = Observatory.open(asked.root).new_context(asked.detector, asked.filter)
    print(f"{name}: another flat for {asked.detector} {asked.filter}")


def _parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m jwmirror_simulator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    added = _command(commands, "build", build)
    added.add_argument("--real", type=Path, nargs="*", default=[], metavar="FITS")
    _command(commands, "serve", serve).add_argument("--port", type=int, default=0)
    added = _command(commands, "reprocess", reprocess, "file")
    kinds = added.add_mutually_exclusive_group()
    for edit in (edits.same_size, edits.larger, edits.reissued):
        option = "--" + edit.__name__.replace("_", "-")
        kinds.add_argument(option, dest="edit", action="store_const", const=edit, help=edit.__doc__)
    added.set_defaults(edit=edits.same_size)
    added = _command(commands, "restamp", restamp, "file")
    added.add_argument("--stamp", default="20260401t000000", metavar="YYYYMMDDthhmmss")
    for run in (withdraw, restore, release):
        _command(commands, run.__name__, run, "file")
    added = _command(commands, "restrict", restrict, "file")
    added.add_argument("--until", default="2099-01-01T00:00:00.000", metavar="ISO-DATE")
    added = _command(commands, "new-context", new_context)
    added.add_argument("--detector", required=True)
    added.add_argument("--filter", required=True)
    return parser


def _command(
    commands, name: str, run: Callable[[argparse.Namespace], None], *operands: str
) -> argparse.ArgumentParser:
    """Add a command: every one takes --root."""
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.add_argument("--root", type=Path, required=True, metavar="DIR")
    for operand in operands:
        command.add_argument(operand, metavar=operand.upper())
    command.set_defaults(run=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
