"""`jwmirror`: look at a mirror and check a config. Thin: it reads records and prints pages."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml
from rich.console import Console, RenderableType

from jwmirror.errors import ConfigError, JwmirrorError, StoreError
from jwmirror.report import console as pages
from jwmirror.report.explanations import Explanation, named, nearest
from jwmirror.report.history import history_of, plain
from jwmirror.report.runs import Run, last_references, last_run
from jwmirror.report.status import Preview, Status, holdings, status_of

app = typer.Typer(
    help="A local mirror of your JWST programs that knows its own history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[Path, typer.Option("--config", help="The config file.")]
AskedConfig = Annotated[
    Path | None, typer.Option("--config", help="The config file; else config/config.yaml.")
]
All = Annotated[bool, typer.Option("--all", help="List everything.")]
Mirror = Annotated[Path | None, typer.Option(help="The mirror; else what the config names.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; its keys: docs/commands.md.")]
CONFIG = Path("config/config.yaml")


@app.command()
def check(config: ConfigFile = CONFIG, as_json: Json = False) -> None:
    """Check a config and every parameter in it; all mistakes at once, exit code 2."""
    from jwmirror.config import load  # imports jwst where a recipe has parameters

    mistakes: list[str] = []
    try:
        found = load(config)
    except ConfigError as error:
        mistakes = error.mistakes
    if as_json:
        _print_json({"config": str(config), "mistakes": mistakes})
    elif not mistakes:
        programs = ", ".join(str(number) for number in {s.program for s in found.selections})
        recipes = ", ".join(recipe.name for recipe in found.recipes) or "none"
        print(f"{config}: no mistakes; programs {programs}; recipes {recipes}")
    else:
        print(f"Mistakes in {config}:\n" + "\n".join(mistakes), file=sys.stderr)
    raise typer.Exit(2 if mistakes else 0)


@app.command()
def status(
    config: AskedConfig = None,
    mirror: Mirror = None,
    by_last_run: Annotated[
        bool, typer.Option("--last-run", help="As the last run found it; at once.")
    ] = False,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """What is held, what changed at the last poll, what is out of date and why, what waits.

    Out of date is told by the config as it is now; with just --mirror, as the last run found it.
    """
    with _told():
        found = _status(config, mirror, by_last_run)
    _print(found, pages.status_page(found, all_lines), as_json)


@app.command()
def plan(
    config: AskedConfig = None,
    mirror: Mirror = None,
    all_lines: All = False,
    as_json: Json = False,
) -> None:
    """What the next run would recalibrate of what is held, and why; MAST and CRDS are not asked."""
    with _told():
        found = _status(config, mirror)
    _print(found, pages.plan_page(found, all_lines), as_json)


def _status(config: Path | None, mirror: Path | None, by_last_run: bool = False) -> Status:
    """The state of a mirror: by a config, or by the last run where none is asked for."""
    from jwmirror.store.generations import Generations

    root = _mirror(mirror, config or CONFIG)
    current = Generations(root).current()
    rows = current.entries() if current else ()
    columns = (rows.column(name) for name in ("path", "size", "state")) if current else ()
    held = holdings(zip(*columns, strict=True))
    run = last_run(root)
    by_last_run = by_last_run or (config is None and mirror is not None)
    seen = None if by_last_run or run is None else _preview(root, run, config or CONFIG)
    return status_of(str(root), plain(current) if current else None, held, run, seen)


def _preview(root: Path, run: Run, config: Path) -> Preview:
    from jwmirror.config import load
    from jwmirror.preview import preview  # imports jwst: seconds

    asked = load(config)
    programs = [selection.program for selection in asked.selections]
    return preview(root, run, asked.recipes, programs, asked.cache, asked.context)


@app.command()
def ingest_events(
    file: Annotated[Path, typer.Argument(help="The JSON file of a MAST subscription's e-mail.")],
    config: ConfigFile = CONFIG,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Let the next run ask for just the programs that MAST's events name; later ones for all."""
    from jwmirror.archive.events import read_events
    from jwmirror.store.hints import keep

    with _told():
        events = read_events(file)
        named = {str(event.program): set() for event in events}
        for event in events:
            named[str(event.program)] |= {event.observation} - {""}
        if events:
            keep(_mirror(mirror, config), {event.program for event in events})
    programs = {program: sorted(observations) for program, observations in named.items()}
    if as_json:
        _print_json({"events": len(events), "programs": programs})
        return
    for program, observations in sorted(programs.items()):
        print(f"program {program}: {', '.join(observations) or 'no observation named'}")
    print(f"{len(events)} events; the next run polls the mirrored ones of these programs only")


@app.command()
def log(config: ConfigFile = CONFIG, mirror: Mirror = None, as_json: Json = False) -> None:
    """The generations, newest first: number, time, cause, and what changed."""
    from jwmirror.store.generations import Generations

    with _told():
        root = _mirror(mirror, config)
        generations = Generations(root)
        found = history_of(str(root), generations.current(), generations.all())
    _print(found, pages.log_page(found), as_json)


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="A file of the current view, by name or path.")],
    recipe: Annotated[
        str | None, typer.Option(help="Only that recipe's file, or `upstream`.")
    ] = None,
    config: AskedConfig = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> None:
    """Why a file is what it is: pedigree; or recipe, key, parameters, references and inputs.

    Where each parameter's value comes from is told by the config; not with just --mirror.
    """
    with _told():
        root = _mirror(mirror, config or CONFIG)
        found = _explanations(root, file, recipe)
        if config is not None or mirror is None:
            found = [_with_origins(each, root, config or CONFIG) for each in found]
    for each in [] if as_json else found:
        _console().print(pages.explanation_page(each))
    if as_json:
        _print_json({"files": found})


def _explanations(root: Path, file: str, recipe: str | None) -> list[Explanation]:
    """What the current view has under a name; StoreError with suggestions if nothing."""
    from jwmirror.store.generations import Generations
    from jwmirror.store.provenance import Provenance

    current = Generations(root).current()
    if current is None:
        raise StoreError(f"{root}: no generation is published yet; run `snakemake` first.")
    entries, provenance = current.entries(), Provenance(root)
    paths = entries.column("path")
    wanted = set(named(file, paths))
    rows = [entries[place] for place, path in enumerate(paths) if path in wanted]
    rows = [row for row in rows if recipe in (None, row.origin)]
    if not rows:
        near = nearest(file, paths)
        hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror status` for what is"
        of = f" of recipe {recipe}" if recipe else ""
        raise StoreError(f"{file}{of}: not in generation {current.number} of {root}; {hint}")
    return [
        Explanation(
            generation=current.number,
            entry=row,
            record=provenance.read(row.key) if row.key else None,
        )
        for row in rows
    ]


def _with_origins(explanation: Explanation, root: Path, config: Path) -> Explanation:
    """The explanation with where its parameters come from, or why that cannot be told."""
    if explanation.record is None:
        return explanation
    from jwmirror.config import load
    from jwmirror.preview import origins_of  # imports jwst: seconds
    from jwmirror.store.generations import Generations

    try:
        asked = load(config)
        found = origins_of(
            explanation.entry,
            explanation.record.derivation,
            Generations(root).entries(),
            asked.recipes,
            last_references(root),
            asked.cache,
            asked.context,
        )
    except JwmirrorError as error:
        return replace(explanation, note=f"{config}: {error}")
    return replace(explanation, origins=found)


def _mirror(mirror: Path | None, config: Path) -> Path:
    """The mirror that was named, or that a config names; only that key of it is read."""
    if mirror is not None:
        return mirror
    try:
        found = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError) as err:
        mistake = f"{config}: cannot be read; name one with --config, or a mirror with --mirror"
        raise ConfigError([mistake]) from err
    return Path(found.get("mirror", "mirror") if isinstance(found, dict) else "mirror")


@contextmanager
def _told() -> Iterator[None]:
    """Print jwmirror's own errors; exit code 2 for the config's, 1 for the others."""
    try:
        yield
    except ConfigError as error:
        print("\n".join(error.mistakes), file=sys.stderr)
        raise typer.Exit(2) from error
    except JwmirrorError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error


def _print(record: Any, page: RenderableType, as_json: bool) -> None:
    if as_json:
        _print_json(record)
    else:
        _console().print(page)


def _console() -> Console:
    """The terminal; or, into a pipe or file, a page wide enough not to cut names."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def _print_json(value: Any) -> None:
    encoded = msgspec.json.encode(value, order="sorted")
    print(msgspec.json.format(encoded, indent=2).decode())


if __name__ == "__main__":
    app()
