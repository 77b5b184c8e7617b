"""How results were made, as pages show it: read from their records, each once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from jwmirror.core.errors import JwmirrorError, StoreError
from jwmirror.core.fits import unit_of_values
from jwmirror.core.jsonio import read, write
from jwmirror.core.model import Derivation, Input, Recipe, canonical
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.names import exposure_count, root_and_suffix
from jwmirror.pipeline.installed import can_recalibrate
from jwmirror.pipeline.registry import PIPELINES
from jwmirror.report.explanation import parameters_by_step
from jwmirror.report.quality import unit_of_quantity
from jwmirror.report.site.records import FileLink, MeasuredChange, ResultVersion, SetValue
from jwmirror.report.site.rendering import text_of
from jwmirror.services.inspect.answers.changed_parameters import same, set_parameters
from jwmirror.services.inspect.answers.crds_parameters import CrdsParameters, CrdsValue
from jwmirror.services.site.shown_rows import ShownRow
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance

T = TypeVar("T")

Defaults = dict[str, object]  # jump.rejection_threshold -> value
Meanings = dict[str, str]  # jump.rejection_threshold -> CR sigma rejection threshold
CHANGES = ("median", "noise", "nan", "do_not_use", "saturated", "jumps", "usable", "sources")
UNKNOWN_VALUE = "\u2013"
UNKNOWN = "Which parameters differ from jwst's defaults is not known here: {why}"


class Engine(msgspec.Struct, frozen=True):
    """The part of a derivation that names versions."""

    engine: dict[str, str] = {}


class MadeRecord(msgspec.Struct, frozen=True):
    """The part of a result's record that is needed of all results; it is read faster."""

    derivation: Engine
    made_at: str = ""


class MadeResults:
    """The records of results, and jwst's defaults, for the pages of one mirror."""

    def __init__(self, root: Path, recipes: Iterable[Recipe] = (), references: Path | None = None):
        """Read the records of a mirror; `references` is the cache with CRDS's references."""
        self._crds = CrdsParameters(root, references)
        self._root, self._provenance = Path(root), Provenance(root)
        self._set = {recipe.name: set_parameters(recipe) for recipe in recipes}
        self.record = cache(self._record)
        self.made_by = cache(self._made_by)
        self._defaults = cache(self._read_defaults)
        self._meanings = cache(self._read_meanings)

    def _record(self, key: str) -> ProvenanceRecord | None:
        return self._provenance.read_or_none(key)

    def _made_by(self, key: str) -> tuple[str, str]:
        with suppress(StoreError, FileNotFoundError):
            made = read(self._provenance.path(key), MadeRecord)
            return made.derivation.engine.get("jwst", ""), made.made_at[:10]
        return "", ""

    # ---- one result ----------------------------------------------------------------------------

    def version(
        self,
        rows: Sequence[ShownRow],
        quality: str,
        caveats: Sequence[str],
        pages: Mapping[str, str],
    ) -> ResultVersion | None:
        """Return how the files of one result were made; None if that is not on record.

        `pages` are the addresses of pages of products, by root.
        """
        first = rows[0]
        record = self.record(first.key)
        if record is None:
            return None
        made = record.derivation
        settings, note = self.settings(made, first.origin)
        measured = record.measurements
        return ResultVersion(
            recipe=first.origin,
            pipeline=made.pipeline,
            files=tuple(FileLink(row.filename, row.path) for row in rows),
            engine=dict(made.engine),
            context=first.crds_ctx,
            made_at=record.made_at,
            seconds=record.seconds,
            memory=record.peak_memory,
            quality=quality,
            caveats=tuple(caveats),
            settings=settings,
            default_note=note,
            parameters={
                step: {name: text_of(value) for name, value in sorted(values.items())}
                for step, values in parameters_by_step(made).items()
            },
            references=tuple((kind, *named) for kind, named in sorted(made.references.items())),
            inputs=tuple(_with_page(item, pages) for item in made.inputs),
            steps=dict(measured.steps) if measured else {},
            measured=dict(measured.files) if measured else {},
            units=self.units(first.key),
            log=self._log_of(made.product, record.made_at),
            excluded=dict(record.excluded),
            access=first.access,
        )

    def measured(self, key: str, filename: str) -> Mapping[str, float]:
        """Return what was measured on a file of a result."""
        record = self.record(key) if key else None
        measured = record.measurements if record else None
        return measured.files.get(filename, {}) if measured else {}

    def units(self, key: str) -> dict[str, str]:
        """Return the unit of the values of each file of a result that was measured."""
        record = self.record(key)
        names = record.measurements.files if record and record.measurements else ()
        path = Objects(self._root).path
        made = record.files if record else ()
        return {
            each.filename: unit_of_values(path(each.sha256))
            for each in made
            if each.filename in names
        }

    def measured_changes(self, old: str, new: str, filename: str) -> tuple[MeasuredChange, ...]:
        """Return what was measured on a file of two results, where it differs."""
        sides = [self.measured(key, filename) for key in (old, new)]
        names = [name for name in CHANGES if name in sides[0] or name in sides[1]]
        changed = [name for name in names if sides[0].get(name) != sides[1].get(name)]
        unit = self.units(new).get(filename, "") if changed else ""
        return tuple(
            MeasuredChange(
                quantity=name,
                old=sides[0].get(name),
                new=sides[1].get(name),
                unit=unit_of_quantity(name, unit),
            )
            for name in changed
        )

    # ---- what a result follows from ------------------------------------------------------------

    def exposures(self, key: str) -> int:
        """Return of how many exposures a combined product was made; 0 if it is not on record."""
        record = self.record(key)
        inputs = record.derivation.inputs if record else ()
        return exposure_count(each.name for each in inputs if each.role == "science")

    def parameters_below(
        self, key: str, key_of: Mapping[str, str], most: int
    ) -> dict[str, set[str]] | None:
        """Return the values of all parameters that a result follows from, by full name.

        Those of the results among its inputs count, too. `key_of` are keys by the content of their
        files. None if a record cannot be read, or more than `most` would have to be.
        """
        values: dict[str, set[str]] = {}
        seen, waiting = {key}, [key]
        while waiting:
            record = self.record(waiting.pop()) if len(seen) <= most else None
            if record is None:
                return None
            made = record.derivation
            for name, value in flat(made.parameters).items():
                values.setdefault(f"{made.pipeline}.{name}", set()).add(text_of(value))
            below = {key_of[c] for each in made.inputs for c in contents(each) if c in key_of}
            waiting += below - seen
            seen |= below
        return values

    # ---- parameters ----------------------------------------------------------------------------

    def settings(self, made: Derivation, recipe: str) -> tuple[tuple[SetValue, ...], str]:
        """Return the parameters that are not jwst's defaults, or that differ from CRDS's value.

        Or why that is not known.
        """
        pipeline, version = whole_pipeline(made.pipeline), made.engine.get("jwst", "")
        defaults = self._defaults(pipeline, version)
        if defaults is None:
            why = f"jwst {version or 'of this result'} is not installed; all parameters are below."
            return (), UNKNOWN.format(why=why)
        of_crds = self._crds.of(made)
        settings = (
            self._set_value(made, recipe, name, value, defaults[name], of_crds.get(name))
            for name, value in sorted(flat(made.parameters).items())
            if name in defaults
        )
        return tuple(filter(None, settings)), ""

    def _set_value(
        self,
        made: Derivation,
        recipe: str,
        name: str,
        value: object,
        default: object,
        of_crds: CrdsValue | None,
    ) -> SetValue | None:
        """Return a parameter with what set it; None if it has jwst's default, as CRDS wants it."""
        full = f"{whole_pipeline(made.pipeline)}.{name}"
        own = [each for each in self._set.get(recipe, ()) if each.name == full]
        is_known = of_crds is not None and of_crds.is_known
        differs = bool(own) and of_crds is not None and is_known and not same(of_crds.value, value)
        if text_of(default) == text_of(value) and not differs:
            return None
        if own:
            alike = [each.where for each in own if each.value == canonical(value)]
            where = alike[-1] if alike else ""
            source = f"recipe {recipe}{where and f', where {where}'}"
        else:
            source = f"CRDS: {of_crds.reference}" if of_crds else "CRDS"
        crds = "" if of_crds is None else text_of(of_crds.value if differs else value)
        return SetValue(
            name=name,
            value=text_of(value),
            default=text_of(default),
            source=source,
            crds=crds if is_known or not of_crds else UNKNOWN_VALUE,
            meaning=self.meanings([full], made.engine.get("jwst", "")).get(full, ""),
        )

    def meanings(self, names: Iterable[str], version: str) -> dict[str, str]:
        """Return what a version of jwst says of parameters, by full name: those it explains.

        `names` have the pipeline: detector1.jump.rejection_threshold.
        """
        found = {}
        for name in names:
            pipeline, _, own = name.partition(".")
            meanings = self._meanings(pipeline, version) if pipeline in PIPELINES else {}
            if words := meanings.get(own):
                found[name] = words
        return found

    def _read_defaults(self, pipeline: str, version: str) -> Defaults | None:
        """Return the defaults of a version of jwst; None if they are not known."""
        return self._of_jwst("defaults", Defaults, defaults_of, pipeline, version)

    def _read_meanings(self, pipeline: str, version: str) -> Meanings:
        """Return what a version of jwst says of its parameters; empty if it is not known."""
        return self._of_jwst("meanings", Meanings, meanings_of, pipeline, version) or {}

    def _of_jwst(
        self, what: str, kind: type[T], make: Callable[[str], T], pipeline: str, version: str
    ) -> T | None:
        """Return what is kept of a pipeline of jwst; if it is not there, the installed one says it.

        None if another version is installed.
        """
        if not version or "/" in version:
            return None
        path = self._root / "receipts" / "site" / f"{what}-{version}-{pipeline}.json"
        with suppress(FileNotFoundError, StoreError):
            return read(path, kind)
        if not can_recalibrate():
            return None
        from jwmirror.pipeline.derivation import engine_versions

        if engine_versions().get("jwst") != version:
            return None
        try:
            found = make(pipeline)
        except JwmirrorError:
            return None
        write(path, found, mode=0o600)
        return found

    # ---- logs ----------------------------------------------------------------------------------

    def _log_of(self, product: str, made_at: str) -> str:
        """Return the newest log of a product that is not newer than its result."""
        stamp = made_at.replace("-", "").replace(":", "")[:15]
        older = [path for run, path in self._logs.get(product, ()) if run[:15] <= stamp]
        return max(older, default="")

    @cached_property
    def _logs(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for path in self._root.glob("logs/*/calibrate_batch/*/*.log"):
            relative = str(path.relative_to(self._root))
            found.setdefault(path.stem, []).append((relative.split("/")[1], relative))
        return found


def contents(item: Input | ShownRow) -> tuple[str, ...]:
    """Return what identifies the content of a file: its sha256, and its science identity."""
    return tuple(filter(None, (item.sha256, item.identity)))


def flat(parameters: Mapping[str, object], above: str = "") -> Defaults:
    """Return the parameters of a pipeline by full names: jump.rejection_threshold."""
    return dict(_flat(parameters, above))


def _flat(parameters: Mapping[str, object], above: str) -> Iterator[tuple[str, object]]:
    for name, value in parameters.items():
        if name == "steps" and isinstance(value, Mapping):
            for step, own in value.items():
                yield from _flat(own, f"{above}{step}.")
        else:
            yield f"{above}{name}", value


def defaults_of(pipeline: str) -> Defaults:
    """Return the defaults of the installed jwst, also of steps that it skips if nothing is set."""
    from jwmirror.pipeline.parameters.resolution import resolve  # imports jwst: seconds

    plain = resolve(pipeline, ()).parameters
    every = {"steps": {step: {"skip": False} for step in plain.get("steps", {})}}
    whole = flat(resolve(pipeline, (every,)).parameters)
    skips = {name: value for name, value in flat(plain).items() if name.endswith("skip")}
    return whole | skips


def meanings_of(pipeline: str) -> Meanings:
    """Return what the specification of each step of the installed jwst says of its parameters."""
    from jwmirror.pipeline.parameters.specs import groups_of  # imports jwst: seconds

    return {
        f"{group.step}.{each.name}".lstrip("."): each.help
        for group in groups_of(pipeline)
        for each in group.parameters
        if each.help
    }


def _with_page(item: Input, pages: Mapping[str, str]) -> tuple[str, str, str]:
    """Return name, role and page of an input."""
    return item.name, item.role, pages.get(root_and_suffix(item.name)[0], "")
