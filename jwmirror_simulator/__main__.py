"""Build a simulated observatory (MAST, CRDS and a telescope), serve it, and edit its archive.

An observatory is a folder. `build` makes one with program 1345, `serve` answers requests for it on
this machine, and the other commands change what its archive offers, also while it is served.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jwmirror_simulator.mast.api.oddities import Oddities, switches
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.observatory import Observatory

SERVING = "serving.json"  # addresses and process id, in the folder of a served observatory


class UsageError(Exception):
    """A command cannot be carried out as given; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 for a failure, or 2 for a mistake in the command."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (UsageError, KeyError, ValueError, FileNotFoundError) as err:
        print(f"observatory: {err.args[0] if isinstance(err, KeyError) else err}", file=sys.stderr)
        return 2
    except OSError as err:
        print(f"observatory: {err}", file=sys.stderr)
        return 1
    return 0


def build(options: argparse.Namespace) -> None:
    """Build an observatory with program 1345 in a new folder (about a minute).

    It simulates ten NIRCam exposures, calibrates them with the installed jwst, and publishes all
    products, associations and the pool.
    """
    if (options.root / "program.json").exists():
        raise UsageError(f"{options.root} already holds an observatory; name a new folder")
    observatory = Observatory.build(options.root, real_exposures=options.real)
    count = len(observatory.archive.filenames())
    print(f"built an observatory in {options.root}: its archive offers {count} files")


def serve(options: argparse.Namespace) -> None:
    """Serve an observatory on 127.0.0.1 until Ctrl-C or SIGTERM.

    Prints the addresses of the archive (MAST), of the reference server (CRDS), and of the service
    of star catalogues (Gaia). The file serving.json in the folder has them, and the process id.
    With --oddities, the archive answers as MAST does, or may do, against its documentation;
    docs/reliability.md lists the switches.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    observatory = Observatory.open(options.root)
    observatory.archive.oddities = Oddities.read(options.oddities)
    with observatory.serve(options.port), _announced(observatory):
        print(f"archive     {observatory.archive_url}")
        print(f"references  {observatory.references_url}")
        print(f"catalogue   {observatory.catalogue_url}", flush=True)
        stop.wait()


@contextmanager
def _announced(observatory: Observatory) -> Iterator[None]:
    """Keep serving.json in the folder; UsageError if another process serves the observatory."""
    path, root = observatory.root / SERVING, str(observatory.root.resolve())
    _refuse_second_server(path, root)
    record = {
        "root": root,
        "archive": observatory.archive_url,
        "references": observatory.references_url,
        "catalogue": observatory.catalogue_url,
        "pid": os.getpid(),
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{SERVING}.")
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(record, indent=1) + "\n")
    os.replace(temporary, path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _refuse_second_server(path: Path, root: str) -> None:
    """Raise UsageError if the process named in serving.json lives and serves this very folder.

    A copied folder has a serving.json, too, but with the root of the original.
    """
    if not path.exists():
        return
    other = json.loads(path.read_text())
    with suppress(ProcessLookupError):
        os.kill(other["pid"], 0)
        if other["root"] == root:
            raise UsageError(f"process {other['pid']} already serves it at {other['archive']}")


def reprocess(options: argparse.Namespace) -> None:
    """Replace a file by a new version under the same name, as MAST's reprocessing does."""
    observatory = Observatory.open(options.root)
    before = observatory.archive.holding(options.file)
    after = observatory.archive.reprocess(options.file, options.edit)
    print(f"{options.file}: {before.md5}, {before.size} bytes -> {after.md5}, {after.size} bytes")


def restamp(options: argparse.Namespace) -> None:
    """Give an association a new time stamp, and so a new name."""
    renamed = Observatory.open(options.root).archive.restamp(options.file, options.stamp)
    print(f"{options.file} -> {renamed}")


def withdraw(options: argparse.Namespace) -> None:
    """Stop offering a file."""
    Observatory.open(options.root).archive.withdraw(options.file)
    print(f"{options.file} is withdrawn")


def restore(options: argparse.Namespace) -> None:
    """Offer a withdrawn file again."""
    Observatory.open(options.root).archive.restore(options.file)
    print(f"{options.file} is back")


def restrict(options: argparse.Namespace) -> None:
    """Make a file exclusive: only requests with the token `observatory-token` get it."""
    Observatory.open(options.root).archive.restrict(options.file, options.until)
    print(f"{options.file} is exclusive until {options.until}")


def release(options: argparse.Namespace) -> None:
    """Make an exclusive file public."""
    Observatory.open(options.root).archive.release(options.file)
    print(f"{options.file} is public")


def new_context(options: argparse.Namespace) -> None:
    """Add a CRDS context in which one flat field differs, and make it the latest."""
    name = Observatory.open(options.root).new_context(options.detector, options.filter)
    print(f"{name}: another flat for {options.detector} {options.filter}")


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m jwmirror_simulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = _add(commands, build)
    command.add_argument(
        "--real", type=Path, nargs="*", default=[], metavar="FITS",
        help="real uncal files to publish as well",
    )  # fmt: skip
    command = _add(commands, serve)
    command.add_argument(
        "--port", type=int, default=0,
        help="port of the archive; the other servers take the next ones (default: free ports)",
    )  # fmt: skip
    command.add_argument(
        "--oddities", nargs="+", default=[], metavar="SWITCH=VALUE",
        help="switches of the archive: " + ", ".join(name for name, *_ in switches()),
    )  # fmt: skip
    command = _add(commands, reprocess, "file")
    kinds = command.add_mutually_exclusive_group()
    for edit in (edits.same_size, edits.larger, edits.reissued):
        option = "--" + edit.__name__.replace("_", "-")
        kinds.add_argument(option, dest="edit", action="store_const", const=edit, help=edit.__doc__)
    command.set_defaults(edit=edits.same_size)
    command = _add(commands, restamp, "file")
    command.add_argument(
        "--stamp", default="20260401t000000", metavar="YYYYMMDDthhmmss",
        help="the new time stamp (default: %(default)s)",
    )  # fmt: skip
    for run in (withdraw, restore, release):
        _add(commands, run, "file")
    command = _add(commands, restrict, "file")
    command.add_argument(
        "--until", default="2099-01-01T00:00:00.000", metavar="DATE",
        help="end of exclusive access, ISO, UTC (default: %(default)s)",
    )  # fmt: skip
    command = _add(commands, new_context)
    command.add_argument("--detector", required=True, help="NRCB1 or NRCA1")
    command.add_argument("--filter", required=True, help="F150W or F200W")
    return parser


def _add(
    commands: Any,  # argparse has no public type for this
    run: Callable[[argparse.Namespace], None],
    *operands: str,
) -> argparse.ArgumentParser:
    """Add the command that `run` carries out; every command has the option --root."""
    text = run.__doc__ or ""
    command: argparse.ArgumentParser = commands.add_parser(
        run.__name__.replace("_", "-"),
        help=text.splitlines()[0].rstrip("."),
        description=text.replace("\n    ", "\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder of the observatory"
    )
    for operand in operands:
        command.add_argument(operand, metavar=operand.upper(), help="file name in the archive")
    command.set_defaults(run=run)
    return command


if __name__ == "__main__":
    sys.exit(main())
