"""Mistakes in folders of mirrors, and states of disks."""

from functools import partial
from pathlib import Path

from tests.mistakes.folders import config, file, filled_mirror, more, with_mirror
from tests.mistakes.mistake import Mistake, Section

call = partial(Mistake, code=1)


def closed(name: str, mode: int = 0o500):
    """Prepare a folder in which this user may not write; the returned function opens it again."""

    def prepare(folder: Path):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(mode)
        return lambda: (folder / name).chmod(0o700)

    return prepare


SECTION = Section(
    "Folders and disks",
    (
        call(
            what="The mirror of --mirror does not exist",
            command="jwmirror status --mirror miror",
            code=2,
            where="/home/you/jwst/miror",
            found="there is no such folder",
            step="name the folder of a mirror",
        ),
        call(
            what="--mirror names a file",
            command="jwmirror status --mirror notes.txt",
            prepare=file("notes.txt"),
            code=2,
            where="/home/you/jwst/notes.txt",
            found="found a file",
            step="name the folder of a mirror",
        ),
        call(
            what="--mirror names the folder with the files",
            command="jwmirror status --mirror mirror/current",
            prepare=with_mirror,
            where="/home/you/jwst/mirror/current",
            found="upstream",
            step="--mirror /home/you/jwst/mirror",
            code=1,
        ),
        call(
            what="--mirror names a folder of something else",
            command="jwmirror log --mirror thesis",
            prepare=file("thesis/thesis.tex"),
            where="/home/you/jwst/thesis",
            found="found thesis.tex",
            step="name the folder of a mirror",
            code=1,
        ),
        call(
            what="A look at a mirror that no run has filled",
            command="jwmirror log",
            prepare=more(""),
            where="/home/you/jwst/mirror",
            found="holds no mirror yet",
            step="`jwmirror run`",
            code=0,
        ),
        call(
            what="A comparison in a mirror that no run has filled",
            command="jwmirror diff 1 2",
            prepare=more(""),
            where="/home/you/jwst/mirror",
            found="holds no mirror yet",
            step="`jwmirror run`",
        ),
        call(
            what="A rollback in a mirror that no run has filled",
            command="jwmirror rollback 1 --config other.yaml",
            prepare=config("mirror: data/mirror\nprograms: [1345]\n", name="other.yaml"),
            where="/home/you/jwst/data/mirror",
            found="holds no mirror yet",
            step="`jwmirror run --config other.yaml`",
        ),
        call(
            what="A file of an empty mirror",
            command="jwmirror explain jw01345001001_02101_00001_nrcb1_rate.fits",
            prepare=more(""),
            where="/home/you/jwst/mirror",
            found="holds no mirror yet",
            step="`jwmirror run`",
        ),
        call(
            what="Failures before the first run",
            command="jwmirror failures",
            prepare=more(""),
            where="/home/you/jwst/mirror",
            found="no run was made yet",
            step="`jwmirror run`",
            code=0,
        ),
        call(
            what="A run on a folder with other files",
            command="jwmirror run",
            prepare=config("mirror: data\nprograms: [1345]\n", file("data/thesis.tex")),
            where="/home/you/jwst/data",
            found="found thesis.tex",
            step="name another folder in `mirror` in the config",
        ),
        call(
            what="A run on a mirror that is a file",
            command="jwmirror run",
            prepare=config("mirror: notes.txt\nprograms: [1345]\n", file("notes.txt")),
            where="/home/you/jwst/notes.txt",
            found="a file",
            step="name another folder in `mirror` in the config",
        ),
        call(
            what="A run on a mirror inside a mirror",
            command="jwmirror run",
            prepare=config("mirror: mirror/current/mine\nprograms: [1345]\n", filled_mirror),
            where="/home/you/jwst/mirror/current/mine",
            found="a folder in the mirror /home/you/jwst/mirror",
            step="or a folder outside",
        ),
    ),
)
