"""Parameters and reference files of an exposure, resolved offline from a CRDS cache.

Before CRDS is first used, os.environ must contain what `crds_environment(cache, context)` of
`pipeline.crds_rules` returns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from jwmirror.core.errors import CalibrationError, ReferencesError
from jwmirror.core.files import cached_digest
from jwmirror.core.model import canonical, digest
from jwmirror.core.model.parameters import PlainMapping, PlainValues, Remarks
from jwmirror.core.names import cache_path
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.crds_rules import (
    NO_RULE,
    invalid_moment,
    mapping_of,
    read_pars_reference,
    rules_of,
)
from jwmirror.pipeline.derivation import engine_versions, software_versions
from jwmirror.pipeline.gaia.catalogues import PARAMETER, check_catalogues
from jwmirror.pipeline.parameters import checks, resolution, specs
from jwmirror.pipeline.parameters.gone import without_gone
from jwmirror.pipeline.registry import pars_types, reference_types, types_by_step
from jwmirror.pipeline.usercode import files, hooks
from jwmirror.pipeline.usercode.hooks import Sources

NONE = ("N/A", "")
NOT_FOUND = "NOT FOUND"  # begins CRDS's answer where there is no file
SEVERAL = f"{NOT_FOUND} several files:"  # begins our text for an answer with several

References = dict[str, tuple[str, str]]  # as in a derivation
Layers = tuple[tuple[str, PlainValues], ...]  # (name, parameters); later ones win
Case = tuple[Any, ...]  # a pipeline or a type, and the header values that CRDS's rules use


class Answers(NamedTuple):
    """CRDS's answer for each reference type (a file, or the reason for none), and their digest."""

    by_type: dict[str, str]
    digest: str


@dataclass(frozen=True, kw_only=True)
class ResolvedStage:
    """The parts of a derivation that are resolved: parameters (absolute paths), references, hooks.

    `largest` is the size of the largest reference that the steps use, in bytes. `former` are the
    parameters in their form in earlier keys, if it differs.
    """

    parameters: PlainValues
    references: References
    hooks: Sources = ()
    largest: int = 0
    former: PlainValues | None = None


class Resolver(Protocol):
    """Resolves parameters and references with the jwst of one Python environment."""

    @property
    def engine(self) -> Mapping[str, str]:
        """Versions of jwst, stcal and stdatamodels, which are part of a key."""

    @property
    def software(self) -> Mapping[str, str]:
        """Versions of other packages, and texts about modified code of the engine."""

    def resolve(self, pipeline: str, header: str, requested: PlainMapping) -> ResolvedStage:
        """Return all parameters of a pipeline for an exposure, its references and hooks.

        `requested` is the pipeline's part of `effective_parameters`. References of skipped steps
        are left out.

        Raises:
            ConfigError: if `requested` has a parameter that the pipeline does not know.
            CalibrationError: if the context has no reference, or a file or hook does not exist.
            ReferencesError: if a reference is not in the cache.
        """

    def pars(self, pipeline: str, header: str) -> Layers:
        """Return the parameter references of a pipeline with their parameters."""

    def needed(self, wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
        """Return the names of all references that exposures may need: pairs (header, pipelines).

        Needs only CRDS's mappings. Includes the references of skipped steps, because parameter
        references may switch a step on. A missing reference is not an error here.
        """

    def remarks(self, parameters: PlainMapping, place: str, is_exported: bool = False) -> Remarks:
        """Return mistakes in parameters, and notes; `place` in the config begins each message.

        `is_exported`: they are from a file that strun or export_config wrote.
        """

    def skipped_steps(self, pipeline: str) -> Sequence[str]:
        """Return the steps that this jwst skips unless a parameter says otherwise."""


class LocalResolver:
    """A Resolver with the jwst of this process, which asks CRDS only once for equal cases.

    `sha1s` are checksums of references that are verified already; others are computed here.
    Files and hooks of the user are relative to `base`, by default the working directory.
    """

    def __init__(
        self, cache: Path, context: str, sha1s: Mapping[str, str] | None = None, base: Path = Path()
    ):
        self.cache, self.context = Path(cache).absolute(), context
        self._base = base.absolute()
        self._sha1s = dict(sha1s or {})
        self._cases: dict[str, Case] = {}  # by header, without a pipeline
        self._answers: dict[Case, Answers] = {}
        self._best_of: dict[Case, str] = {}  # by type
        self._stages: dict[Case, ResolvedStage] = {}
        self._without_references: dict[Case, ResolvedStage] = {}  # only parameter references

    @property
    def engine(self) -> Mapping[str, str]:
        """As Resolver.engine."""
        return engine_versions()

    @property
    def software(self) -> Mapping[str, str]:
        """As Resolver.software."""
        return software_versions()

    def resolve(self, pipeline: str, header: str, requested: PlainMapping) -> ResolvedStage:
        """As Resolver.resolve."""
        answers = self._answers_for(pipeline, header)
        instrument = _instrument(header)
        case = (pipeline, instrument, answers.digest, canonical(requested))
        if case not in self._stages:
            stage = self._parameters(pipeline, instrument, answers.by_type, requested)
            references = self._references(pipeline, answers.by_type, stage.parameters)
            sizes = [self._size(name) for name, _ in references.values() if name != NONE[0]]
            self._stages[case] = replace(
                stage, references=stage.references | references, largest=max(sizes, default=0)
            )
        return self._stages[case]

    def pars(self, pipeline: str, header: str) -> Layers:
        """As Resolver.pars."""
        names = _pars_names(pipeline, self._answers_for(pipeline, header).by_type)
        return tuple(zip(names.values(), self._pars_layers(names), strict=True))

    def needed(self, wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
        """As Resolver.needed."""
        cases = {
            self._case(pipeline, header): (pipeline, header)
            for header, pipelines in wanted
            for pipeline in pipelines
        }
        names: set[str] = set()
        for pipeline, header in cases.values():
            with suppress(CalibrationError):  # the plan will refuse this exposure alone
                names.update(self._answers_for(pipeline, header).by_type.values())
        return tuple(sorted(name for name in names if _is_file(name)))

    def remarks(self, parameters: PlainMapping, place: str, is_exported: bool = False) -> Remarks:
        """As Resolver.remarks."""
        return checks.check_parameters(parameters, place, self._base, is_exported)

    def skipped_steps(self, pipeline: str) -> Sequence[str]:
        """As Resolver.skipped_steps."""
        return specs.skipped_steps(pipeline)

    def _parameters(
        self, pipeline: str, instrument: str, answers: Mapping[str, str], requested: PlainMapping
    ) -> ResolvedStage:
        """Resolve everything but the references that steps use; once for equal parameters.

        These are the parameters, and the parameter references, files and hooks that they use.
        """
        pars = _pars_names(pipeline, answers)
        case = (pipeline, instrument, canonical(pars), canonical(requested))
        if case in self._without_references:
            return self._without_references[case]
        kept, _ = without_gone({pipeline: requested})  # as the check of the config
        layers = [*self._pars_layers(pars), kept.get(pipeline, {})]
        idle = registry.idle_steps(pipeline, instrument)
        resolved = resolution.resolve(pipeline, layers, idle)
        parameters = files.with_absolute_paths(resolved.parameters, self._base)
        former = resolved.former and files.with_absolute_paths(resolved.former, self._base)
        check_catalogues(parameters, _pars_with(PARAMETER, pars, layers))
        references = {
            pars_types(pipeline)[step]: self._named(name)
            for step, name in pars.items()
            if not step or not parameters["steps"].get(step, {"skip": True}).get("skip")
        }
        stage = self._without_references[case] = ResolvedStage(
            parameters=parameters,
            references=references | files.file_digests(parameters),
            hooks=hooks.hook_sources(parameters, self._base),
            former=former,
        )
        return stage

    def _pars_layers(self, pars: Mapping[str, str]) -> Iterator[PlainValues]:
        """Yield the content of the parameter references, the pipeline's own (step "") last."""
        for step, name in pars.items():
            content = read_pars_reference(self._path_in_cache(name))
            yield {"steps": {step: content}} if step else content

    def _references(
        self, pipeline: str, answers: Mapping[str, str], parameters: PlainMapping
    ) -> References:
        """Return the references that stpipe fetches: also of idle steps, not of skipped ones."""
        references: References = {}
        for step, types in types_by_step(pipeline).items():
            content = parameters["steps"].get(step, {}) if step else parameters
            for reftype in () if content.get("skip") else types:
                if not content.get(f"override_{reftype}"):  # an override is for its own step only
                    references[reftype] = self._reference(pipeline, reftype, answers[reftype])
        return references

    def _reference(self, pipeline: str, reftype: str, answer: str) -> tuple[str, str]:
        if _is_file(answer):
            return self._named(answer)
        if "N/A" in answer.upper():
            return NONE
        raise CalibrationError(
            f"{pipeline}: {self.context} has no {reftype} reference for this exposure "
            f"({answer.removeprefix(NOT_FOUND).strip()}); give one in the recipe "
            f"(override_{reftype}), skip the step, or take another context."
        )

    # ---- CRDS

    def _answers_for(self, pipeline: str, header: str) -> Answers:
        """Return CRDS's answer for each type that a pipeline may ask for."""
        case = self._case(pipeline, header)
        if case not in self._answers:
            types = [*pars_types(pipeline).values(), *reference_types(pipeline)]
            best = self._best(header, types)
            self._check_moment(header, best)
            self._answers[case] = Answers(best, digest(best))
        return self._answers[case]

    def _best(self, header: str, types: Sequence[str]) -> dict[str, str]:
        """Return CRDS's answer for each type; CRDS is asked only for header values not seen yet.

        A type that the instrument omits has no answer.
        """
        values = headers.parse_header(header)
        instrument = _instrument(header)
        rules = rules_of(self.cache, self.context, instrument.lower()).by_type
        cases = {
            name: (name, instrument, *rule.case(values))
            for name in types
            if (rule := rules.get(name, NO_RULE)) is not None
        }
        new = [name for name in types if cases.get(name) not in self._best_of]
        answers = self._ask_crds(header, new) if new else {}
        self._best_of |= {cases[name]: answers[name] for name in answers.keys() & cases.keys()}
        known = {name: case for name, case in cases.items() if case in self._best_of}
        answers |= {name: self._best_of[case] for name, case in known.items()}
        return {name: answers[name] for name in types if name in answers}

    def _ask_crds(self, header: str, types: list[str]) -> dict[str, str]:
        from crds.core import utils

        values = headers.parse_header(header).items()
        conditioned = utils.condition_header({name.upper(): str(value) for name, value in values})
        mapping = mapping_of(self.cache, self.context)
        try:
            answers = mapping.get_best_references(mapping.minimize_header(conditioned), types)
        except Exception as err:  # CRDS raises many kinds, e.g. for an unknown instrument
            raise CalibrationError(f"{self.context} cannot select references: {err}") from err
        return {name: _one_file(answer) for name, answer in answers.items()}

    def _check_moment(self, header: str, answers: Mapping[str, str]) -> None:
        """Raise CalibrationError if CRDS found no file because it cannot read date or time."""
        if not any(_is_gap(answer) for answer in answers.values()):
            return
        if text := invalid_moment(headers.parse_header(header)):
            raise CalibrationError(
                f"{self.context} cannot select references: expected DATE-OBS and TIME-OBS as "
                f"2022-06-01 12:00:00, found {text!r}; the exposure was left out; ask MAST's help "
                "desk about its header."
            )

    def _case(self, pipeline: str, header: str) -> Case:
        """Return a pipeline with the header values that this context's rules use."""
        if header not in self._cases:
            instrument = _instrument(header)
            rules = rules_of(self.cache, self.context, instrument.lower())
            self._cases[header] = (instrument, *rules.whole.case(headers.parse_header(header)))
        return (pipeline, *self._cases[header])

    def _named(self, name: str) -> tuple[str, str]:
        """Return a reference's name and sha1."""
        if name not in self._sha1s:
            self._sha1s[name] = cached_digest(self._path_in_cache(name), "sha1")
        return name, self._sha1s[name]

    def _size(self, name: str) -> int:
        """Return the bytes of a reference; 0 if it is not in the cache."""
        path = cache_path(self.cache, name)
        return path.stat().st_size if path.is_file() else 0

    def _path_in_cache(self, name: str) -> Path:
        """Return the path of a reference; ReferencesError if it is not in the cache."""
        path = cache_path(self.cache, name)
        if not path.is_file():
            raise ReferencesError(
                f"{name} is not in the reference cache {self.cache}; "
                "run again with network, so that the references are synced."
            )
        return path


def _instrument(header: str) -> str:
    """Return the instrument as CRDS reads it: without blanks around it, which a header may have."""
    return headers.header_value(header, "instrument").strip()


def _one_file(answer: object) -> str:
    """Return CRDS's answer; one that is no single file becomes a reason for none.

    CRDS answers with a tuple of files where a rule names several; jwst can use only one.
    """
    if isinstance(answer, str):
        return answer
    files = ", ".join(map(str, answer)) if isinstance(answer, Iterable) else str(answer)
    return f"{SEVERAL} {files}"


def _is_gap(answer: str) -> bool:
    """Return whether CRDS should have a file and has none."""
    return answer.startswith(NOT_FOUND) and "N/A" not in answer.upper()


def _pars_names(pipeline: str, answers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameter reference of each step ("" for the pipeline, last) that has one.

    Raises:
        CalibrationError: CRDS answers with several files for one of them.
    """
    types = pars_types(pipeline).items()
    for _, reftype in types:
        if answers[reftype].startswith(SEVERAL):
            raise CalibrationError(
                f"{pipeline}: expected one {reftype} file, found "
                f"{answers[reftype].removeprefix(NOT_FOUND).strip()}; report this to the CRDS "
                "help desk, or take another context (references.context in the config)."
            )
    return {step: answers[reftype] for step, reftype in types if _is_file(answers[reftype])}


def _pars_with(parameter: str, pars: Mapping[str, str], layers: Sequence[PlainMapping]) -> str:
    """Return the last parameter reference that sets a parameter; "" if none does."""
    last = ""
    for name, layer in zip(pars.values(), layers, strict=False):
        steps = layer.get("steps", {}).values()
        last = name if any(parameter in content for content in (layer, *steps)) else last
    return last


def _is_file(answer: str) -> bool:
    return not answer.startswith(NOT_FOUND) and "N/A" not in answer.upper()
