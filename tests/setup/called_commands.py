"""Call the commands that the pages mention, one after the other, on the mirror of the demo.

A page speaks of its reader's files, generations and recipes; `STANDS_FOR` says what the mirror of
the demo has in their place. `shown_commands.py` calls the pages that show what commands print.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from demo.site import ROOT, Site
from tests.setup.documented import commands_in, documented_commands, user_pages
from tests.setup.shown_commands import CALLED_PAGES, DOCS, shown_commands

Words = Sequence[str]

FILE = "jw01345001001_02101_00002_nrcb1_rate.fits"
RESULTS = f"mirror/current/recalibrated/deep/jw01345/o001/{FILE}"
NEW = "NEW"  # a file or folder that is not there, another one for each call
CONFIG = "config/config.yaml"
SEARCHES = "searches.yaml"  # a second config
EVENT = {"mission": "JWST", "program": 1345, "filename": FILE}  # as MAST sends them, in part
STANDS_FOR = {  # a word of a page, perhaps with the word before it -> what is called
    "FILE": FILE,
    "RESULT": FILE,  # has a caveat in generation 4, which `rollback` shows before it is accepted
    "jw01345001001_02101_00001_nrcb1_rate.fits": FILE,
    "whatis FILE": RESULTS,
    "FILE...": RESULTS,
    "--config FILE": CONFIG,
    "--out FILE": NEW,
    "asn/my_mosaic.json": NEW,
    "ingest-events FILE": "events.json",
    "DIR": "mirror/current/upstream",
    "--to DIR": NEW,
    "--to references": NEW,
    "BACKUP": "mirror",
    "/project/jwst/mirror": "mirror",
    "~/Downloads/mosaic.fits": RESULTS,
    "~/paper/*.fits": RESULTS,
    "~/paper": "mirror/current/upstream",
    "GEN": "4",
    "A": "4",
    "B": "5",
    "41": "4",
    "42": "5",
    "41:upstream": "4:upstream",
    "42:deep": "5:deep",
    "before-upgrade": "paper",
    "pin before-upgrade": "earlier",
    "DATE": "2999-12-31",
    "N": "3",
    "D": "30",
    "NAME": "another",
    "--reference NAME": "jwst_nircam_flat_0001.fits",
    "jwst_nircam_flat_0612.fits": "jwst_nircam_flat_0001.fits",
    "--recipe NAME": "deep",
    "NAME=VERSION": f"numpy={version('numpy')}",
    "numpy=2.1.0": f"numpy={version('numpy')}",
    "scipy=1.14.0": f"scipy={version('scipy')}",
    "TEXT": "this is a test",
    "--mode ...": "copy",
    "PART": "1345",
    "P": "1345",
    "PROGRAM...": "1345",
    "1324": "1345",
    "1538": "1345",
    "46": "2",
    "R": "deep",
    "TYPE": "image3",
    "5,6": "1,2",
    "5,6-8": "1,2",
    "PIPELINE[.STEP]": "image3",
    "COMMAND": "log",
    **dict.fromkeys(
        (":quick", ":flat", ":faint", ":wide", ":former", ":old", ":trial"), ":upstream"
    ),
    ":RECIPE": ":deep",
}
LAST = ("rollback", "release", "invalidate", "accept", "unpin", "prune")  # in this order
DRY_RUNS = ("snakemake --config *", "jwmirror run --config *")  # called with -n
NAME = "the name of a command that needs an argument; another mention has it"
OF_OTHERS = "a program of the system or of others, which does nothing of jwmirror"
OF_CONFIG = "the form of a call; each `--config` with a key is called"
NO_NETWORK = "tests have no network"
LONG = "takes many minutes: `make help` lists what CI and developers call"
SERVED = "the tests serve the simulated observatory"
SLURM = "needs Slurm; tests/workflow/test_slurm.py has one"
ANOTHER_JWST = "needs another installation; tests/workflow/test_two_engines.py has one"
# pattern of a command on a page -> why no test calls it as it is there; those of our own programs
# are named one by one, so that a later one needs a reason, too
NOT_CALLED = {
    "jwmirror new-step": NAME,
    "jwmirror accept": NAME,
    "jwmirror associate": NAME,
    "jwmirror checkout": NAME,
    "jwmirror explain": NAME,
    "jwmirror freeze": NAME,
    "jwmirror invalidate": NAME,
    "jwmirror plan --context": NAME,
    "jwmirror prune": NAME,
    "jwmirror references bundle": NAME,
    "jwmirror rollback": NAME,
    "jwmirror rollback --hold": NAME,
    "jwmirror unpin": NAME,
    "jwmirror run [[]ARGUMENT...[]]": "the run of howto/parameter.md is one",
    "jwmirror run --workflow-profile profiles/slurm": SLURM,
    "jwmirror run --profile slurm": SLURM,
    "jwmirror run --profile cluster-generic": "tests/torture/test_generic_scheduler.py calls it",
    "jwmirror status --watch": "tests/unit/test_status_watch.py calls it beside a run",
    "jwmirror --install-completion": "tests/unit/test_cli.py calls it",
    "snakemake --workflow-profile profiles/slurm": SLURM,
    "snakemake --workflow-profile profiles/cluster-generic": "needs PBS or LSF; "
    "tests/torture/test_generic_scheduler.py has a stand-in",
    "snakemake -n": "tests/workflow/test_main_job.py calls it",
    "snakemake --configfile FILE": "tests/workflow/test_two_runs.py calls it",
    "snakemake --config KEY=VALUE": OF_CONFIG,
    "snakemake --config accept=fetch": "tests/workflow/test_large_runs.py calls it",
    "snakemake --config accept=results": "tests/unit/test_limits.py tries what it accepts",
    "snakemake --config accept_vanished=1345": "tests/workflow/test_every_change.py calls it",
    "snakemake --config wait=True": "tests/workflow/test_two_runs.py calls it",
    "snakemake --config set=deep.detector1.jump.rejection_threshold=5": (
        "tests/workflow/test_recipes_run.py calls it"
    ),
    "snakemake --version": OF_OTHERS,
    "python -m jwmirror": "tests/unit/test_cli.py calls it",
    "python -m jwmirror_simulator serve --root observatory --port 24000": SERVED,
    "python -m jwmirror_simulator serve --root DIR --oddities keyword_rows=highest etag=random": (
        SERVED
    ),
    "python -m pytest test_remove_bands.py": "tests/unit/test_new_step.py calls such a test",
    **{
        f"python -m benchmarks {name}": LONG
        for name in (
            *("plan", "poll", "queries", "recalibration", "recalibration --only memory"),
            *("scale", "site", "store", "transfer"),
        )
    },
    "python -m tests.modes": LONG,
    "python -m tests.reliability cluster": LONG,
    "python -m venv ~/envs/jwst-2.0": NO_NETWORK,
    "python3 -c *": "tests/unit/test_notifications.py calls the script that has it",
    **{
        f"pip install {what}": NO_NETWORK
        for what in (".", ".[[]recalibrate[]]", "jwst==2.0.0 msgspec", "pytest")
    },
    "git clone*": NO_NETWORK,
    "pip list": OF_OTHERS,
    "rsync *": OF_OTHERS,
    "journalctl *": OF_OTHERS,
    "loginctl *": OF_OTHERS,
    "scontrol *": OF_OTHERS,
    "sinfo *": OF_OTHERS,
    "systemctl *": OF_OTHERS,
    "systemd-analyze *": OF_OTHERS,
    "make install": NO_NETWORK,
    "make PYTHON=python3.12 install": NO_NETWORK,
    "make wheels": NO_NETWORK,
    "make upgrade install": NO_NETWORK,
    "make environments": ANOTHER_JWST,
    "make demo": "`played` in tests/workflow/test_main_job.py plays it",
    "make docs": LONG,
    "make help": "prints the targets, and does nothing",
    **{
        f"make {target}": LONG
        for target in ("check", "check test", "reliability", "test", "torture", "troubles")
    },
}


def all_commands() -> list[tuple[str, ...]]:
    """Return the commands of all pages for users, each once."""
    found = (each.words for path in user_pages() for each in documented_commands(path))
    return list(dict.fromkeys(found))


def shown_words() -> set[tuple[str, ...]]:
    """Return the commands that `shown_commands.call_shown` calls."""
    lines = [line for page in CALLED_PAGES for line, _ in shown_commands(DOCS / page)]
    return {words for line in lines for words in commands_in(line)}


def spoken(command: Iterable[str]) -> str:
    """Return a command as one line, as `NOT_CALLED` has it."""
    return " ".join(command)


def is_left_out(command: Words) -> bool:
    """Whether `NOT_CALLED` says why no test calls a command."""
    return any(fnmatch(spoken(command), pattern) for pattern in NOT_CALLED)


def is_called(command: Words) -> bool:
    """Whether `failed_calls` calls a command."""
    return (command[0] == "jwmirror" or is_dry_run(command)) and not is_left_out(command)


def is_dry_run(command: Words) -> bool:
    """Whether a command is called with `-n`: Snakemake reads the config, and runs no job."""
    return any(fnmatch(spoken(command), pattern) for pattern in DRY_RUNS)


def called_words(command: Words) -> Iterator[str]:
    """Yield the words of a command as they are called: without the signs of a synopsis."""
    before = ""
    for word in command:
        bare = re.sub(r"^\[|\]$", "", word)
        meant = STANDS_FOR.get(f"{before} {bare}", STANDS_FOR.get(bare, bare))
        if meant.strip("|"):
            yield meant.split("|")[0]
        before = bare


def failed_calls(commands: Iterable[Words], site: Site) -> dict[str, str]:
    """Call commands in the folder of a site; return those that failed, with what they printed.

    Those of jwmirror are called in one process of their own: a process serves one archive only.
    """
    site.configure(programs=[{"targets": ["CROWD-1"], "products": ["i2d"]}])
    site.config_file.rename(site.folder / SEARCHES)
    site.configure(notify=[{"command": ["true"]}])
    (site.folder / "events.json").write_text(json.dumps([EVENT]))
    failed, calls = {}, [("jwmirror", "pin", "paper", "4")]
    for command in filter(is_called, commands):
        if is_dry_run(command):
            failed[spoken(command)] = _dry_run(command, site)
        else:
            calls.append(command)
    calls.sort(key=lambda words: LAST.index(words[1]) if words[1] in LAST else -1)
    done = _process(("-m", __name__, site.observatory.archive_url), site, json.dumps(calls))
    assert done.returncode == 0, done.stderr
    failed |= json.loads(done.stdout)
    return {command: printed for command, printed in failed.items() if printed}


def _dry_run(command: Words, site: Site) -> str:
    """Return what a run of Snakemake printed if it failed; it is called with `-n`."""
    words = ("-n", *called_words(command[2:] if command[0] == "jwmirror" else command[1:]))
    if command[0] == "snakemake":
        words = ("--snakefile", str(ROOT / "Snakefile"), "--cores", "1", *words)
    program = ("jwmirror", "run") if command[0] == "jwmirror" else ("snakemake",)
    done = _process(("-m", *program, *words), site)
    return done.stdout + done.stderr if done.returncode else ""


def _process(words: Words, site: Site, text: str = "") -> subprocess.CompletedProcess[str]:
    """Call Python in the folder of a site, which is the home of its user, too."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRDS")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=site.folder,
        env=clean | {"PYTHONPATH": str(ROOT), "HOME": str(site.folder)},
        input=text,
        capture_output=True,
        text=True,
    )


def _main(archive: str) -> None:
    """Call the commands of standard input; print what those printed that failed."""
    from typer.testing import CliRunner

    from jwmirror.cli import app

    failed = {}
    for number, command in enumerate(json.load(sys.stdin)):
        new = str(Path(f"new-{number}").absolute())
        words = [new if word == NEW else word for word in called_words(command[1:])]
        folder = Path()
        if words[0] == "search":
            words += ["--config", SEARCHES]
        elif words[0] == "init" and len(words) > 1:  # writes a config
            folder = Path(f"folder-{number}")
            folder.mkdir()
            words += [] if "--repository" in words else ["--archive-url", archive]
        with chdir(folder):
            result = CliRunner().invoke(app, words, prog_name="jwmirror")
        if result.exit_code:
            failed[spoken(command)] = f"{spoken(words)}\n{result.output}{result.exception!r}"
    print(json.dumps(failed))


if __name__ == "__main__":
    _main(*sys.argv[1:])
