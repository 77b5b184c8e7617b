"""`jwmirror init`: write a config for programs, after a look at MAST; or make a mirror."""

from pathlib import Path
from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.core.errors import ConfigError, command_to_run
from jwmirror.core.mirror import mark_mirror
from jwmirror.report.terminal.survey import survey_page
from jwmirror.services.configure.first_config import (
    ConfigAnswers,
    FirstConfig,
    write_first_config,
)
from jwmirror.services.configure.repository import new_repository_files, write_repository

Programs = Annotated[
    list[int] | None,
    typer.Argument(metavar="PROGRAM", help="Numbers of programs.", show_default=False),
]
Observations = Annotated[
    str, typer.Option(metavar="NUMBERS", help="Observations, such as 5,6 or 1-4 (default: all).")
]
Instruments = Annotated[
    list[str] | None, typer.Option("--instrument", metavar="NAME", help="Such as MIRI. Repeatable.")
]
Products = Annotated[
    list[str] | None,
    typer.Option("--product", metavar="SUFFIX", help="Such as uncal or i2d. Repeatable."),
]
RecipeName = Annotated[str, typer.Option("--recipe", metavar="NAME", help="Name of the recipe.")]
NoRecipe = Annotated[bool, typer.Option("--no-recipe", help="Mirror only; recalibrate nothing.")]
Cache = Annotated[str, typer.Option(metavar="FOLDER", help="Folder of CRDS's reference files.")]
ArchiveUrl = Annotated[str, typer.Option(metavar="URL", help="Another server than MAST's.")]
ReferencesUrl = Annotated[str, typer.Option(metavar="URL", help="Another server than CRDS's.")]
Context = Annotated[str, typer.Option(help="CRDS context: build, latest, or a name.")]
Offline = Annotated[bool, typer.Option("--offline", help="Write the config without asking MAST.")]
Repository = Annotated[
    bool,
    typer.Option(
        "--repository", help="Also write the workflow's files, as a plain Snakemake repository."
    ),
]
MirrorFolder = Annotated[Path | None, typer.Option(help="Folder of the mirror.")]
ConfigToWrite = Annotated[
    Path | None, typer.Option("--config", help=f"Config file (default: {options.CONFIG}).")
]


@app.command("init")
def init_command(
    programs: Programs = None,
    observations: Observations = "",
    instruments: Instruments = None,
    products: Products = None,
    recipe: RecipeName = "mine",
    no_recipe: NoRecipe = False,
    mirror: MirrorFolder = None,
    cache: Cache = "crds_cache",
    archive_url: ArchiveUrl = "",
    references_url: ReferencesUrl = "",
    context: Context = "build",
    config: ConfigToWrite = None,
    repository: Repository = False,
    offline: Offline = False,
    dry_run: options.DryRun = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Show what MAST has of programs, and write a config for them, with comments.

    An existing file is never overwritten. Without a program, `init` makes the folder of the mirror
    that the config names, also beside other files, if none has a name that a mirror uses.
    """
    answers = ConfigAnswers(
        programs=tuple(dict.fromkeys(programs or ())),
        observations=tuple(part.strip() for part in observations.split(",") if part.strip()),
        instruments=tuple(instruments or ()),
        products=tuple(products or ()),
        recipe="" if no_recipe else recipe,
        mirror=str(mirror or "mirror"),
        cache=cache,
        archive_url=archive_url,
        references_url=references_url,
        context=context,
    )
    path = config or options.CONFIG
    if not (programs or repository):
        _mark(mirror, path, as_json)
        return
    first = _written(answers, path, repository, offline, dry_run)
    if as_json:
        output.print_json(first)
    else:
        _show_first(first, dry_run, all_lines)


def _written(
    answers: ConfigAnswers, path: Path, repository: bool, offline: bool, dry_run: bool
) -> FirstConfig:
    """Write the config for some programs, the files of the workflow, or both."""
    if answers.programs:
        return write_first_config(
            answers, path, repository=repository, offline=offline, dry_run=dry_run
        )
    files = new_repository_files(Path(), with_config=True)
    if not dry_run:
        write_repository(files)
    return FirstConfig(config=str(path), files=tuple(map(str, files)))


def _show_first(first: FirstConfig, dry_run: bool, all_lines: bool) -> None:
    if first.programs:
        output.show(first.programs, lambda shown: survey_page(shown, all_lines), False)
    done = "would be written" if dry_run else "is written"
    if first.files:
        output.say(f"The workflow ({len(first.files)} files: Snakefile, rules/, ...) {done}")
    if first.note:
        output.say(f"Without a recipe: {first.note}")
    output.say(f"{first.config} {done}; edit it if you like")
    if not dry_run:
        output.say(f"Next: {command_to_run().strip('`')}")


def _mark(mirror: Path | None, config: Path, as_json: bool) -> None:
    """Make and mark the folder of a mirror."""
    if mirror is None and not config.exists():
        advice = "name programs to write one (`jwmirror init 1538`), or the folder with --mirror"
        raise ConfigError([f"{config}: there is no config in {Path.cwd()}; {advice}"])
    root = options.named_mirror(mirror, config)
    is_new = mark_mirror(root, among_others=True)
    state = "is a mirror now, and empty" if is_new else "is a mirror already"
    if as_json:
        output.print_json({"mirror": str(root), "is_new": is_new})
    else:
        output.say(f"{root} {state}; {command_to_run()} fills it")
