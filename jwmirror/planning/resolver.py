"""Which parameters and reference files apply to an exposure, by a CRDS cache without a server.

CRDS has to find `loaded.environment(cache, context)` in os.environ before the first use.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jwmirror.core.errors import CalibrationError, ReferencesError
from jwmirror.core.files import cached_digest
from jwmirror.core.model import canonical, digest
from jwmirror.core.names import cache_path
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.bestrefs import NO_RULE, mapping_of, pars_content, rules_of
from jwmirror.pipeline.derivation import engine
from jwmirror.pipeline.parameters import resolution
from jwmirror.pipeline.registry import own_types, pars_types, reference_types
from jwmirror.pipeline.usercode import files, hooks
from jwmirror.pipeline.usercode.hooks import Sources

if TYPE_CHECKING:
    from jwmirror.planning.remote_resolver import Elsewhere

NONE = ("N/A", "")
NOT_FOUND = "NOT FOUND"  # begins CRDS's answer where there is no file

References = dict[str, tuple[str, str]]  # as in a derivation
Case = tuple[Any, ...]  # a pipeline or a type, and what of a header the rules go by


class Answers(NamedTuple):
    """CRDS's answer for each type: a file, or why there is none; and what tells it from others."""

    by_type: dict[str, str]
    digest: str


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What of a derivation is looked up: parameters (paths whole), references and hooks."""

    parameters: dict[str, Any]
    references: References
    hooks: Sources = ()
    largest: int = 0  # bytes of the largest of the references that steps use


class Resolver:
    """Resolves parameters and references under one context, offline and each case just once.

    `sha1s` are checksums of references already verified (by the sync); others are hashed here.
    Files and hooks of the user's are looked for in `base`, by default the working directory.
    """

    def __init__(
        self,
        cache: Path,
        context: str,
        sha1s: Mapping[str, str] | None = None,
        base: Path | None = None,
    ):
        self.cache, self.context = Path(cache).absolute(), context
        self._base = Path(base or "").absolute()
        self._sha1s, self._sizes = dict(sha1s or {}), dict[str, int]()
        self._cases: dict[str, Case] = {}  # by header, without a pipeline
        self._answered: dict[Case, Answers] = {}
        self._chosen: dict[Case, str] = {}  # by type
        self._settled: dict[tuple[str, ...], Settled] = {}
        self._owned: dict[tuple[str, ...], Settled] = {}  # without what steps use
        self._elsewhere: dict[str, Elsewhere] = {}

    @property
    def engine(self) -> dict[str, str]:
        """The versions that a key depends on."""
        return engine()

    def within(self, python: str) -> "Resolver | Elsewhere":
        """The resolver of the environment of that Python, for the same context; "" for this one."""
        if not python:
            return self
        if python not in self._elsewhere:
            from jwmirror.planning.remote_resolver import Elsewhere  # which runs a Resolver there

            place = (python, self.cache, self.context, self._sha1s, self._base)
            self._elsewhere[python] = Elsewhere(*place)
        return self._elsewhere[python]

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """Every parameter of a pipeline for an exposure, the references of steps that run, hooks.

        `asked` is that pipeline's part of parameters.effective. Raises CalibrationError where the
        context has no reference or a file or hook is not there, ReferencesError where the cache
        lacks a file.
        """
        answers = self._answers(pipeline, header)
        instrument = headers.value(header, "instrument")
        case = (pipeline, instrument, answers.digest, canonical(asked))
        if case not in self._settled:
            own = self._own(pipeline, instrument, answers.by_type, asked)
            found = self._references(pipeline, answers.by_type, own.parameters)
            sizes = [self._size(name) for name, _ in found.values() if name != NONE[0]]
            whole = {"references": own.references | found, "largest": max(sizes, default=0)}
            self._settled[case] = replace(own, **whole)
        return self._settled[case]

    def pars(self, pipeline: str, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parameter references of a pipeline and what each says; later ones win."""
        names = _pars_names(pipeline, self._answers(pipeline, header).by_type)
        return zip(names.values(), self._pars_layers(names), strict=True)

    def needed(self, wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
        """Names of all references that exposures may need: pairs of (header, pipelines).

        Needs the mappings only. Takes the references of skipped steps in too, because parameters
        (which may switch a step on) are references themselves. Gaps are left for the plan to say.
        """
        cases = {
            self._case(pipeline, header): header for header, names in wanted for pipeline in names
        }
        found: set[str] = set()
        for (pipeline, *_), header in cases.items():
            found.update(self._answers(pipeline, header).by_type.values())
        return tuple(sorted(name for name in found if _is_file(name)))

    def _own(
        self, pipeline: str, instrument: str, answers: Mapping[str, str], asked: Mapping[str, Any]
    ) -> Settled:
        """What is settled without the references that steps use: once for equal parameters."""
        pars = _pars_names(pipeline, answers)
        case = (pipeline, instrument, canonical(pars), canonical(asked))
        if case not in self._owned:
            self._owned[case] = self._parameterised(pipeline, instrument, pars, asked)
        return self._owned[case]

    def _parameterised(
        self, pipeline: str, instrument: str, pars: Mapping[str, str], asked: Mapping[str, Any]
    ) -> Settled:
        """Parameters, with the pars references and the files and hooks of the user's."""
        layers = [*self._pars_layers(pars), asked]
        idle = registry.idle_steps(pipeline, instrument)
        resolved = files.placed(resolution.resolve(pipeline, layers, idle), self._base)
        files.check_offline(resolved, _who_says("abs_refcat", pars, layers))
        references = {
            pars_types(pipeline)[step]: self._named(name)
            for step, name in pars.items()
            if not step or not resolved["steps"].get(step, {"skip": True}).get("skip")
        }
        return Settled(
            parameters=resolved,
            references=references | files.contents(resolved),
            hooks=hooks.sources(resolved, self._base),
        )

    def _pars_layers(self, pars: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """What the pars references say, the pipeline's own (of step "") last."""
        for step, name in pars.items():
            content = pars_content(self._file(name))
            yield {"steps": {step: content}} if step else content

    def _references(
        self, pipeline: str, answers: Mapping[str, str], resolved: Mapping[str, Any]
    ) -> References:
        """References of a pipeline as stpipe fetches them: idle steps' too, skipped steps' not."""
        found: References = {}
        for step, types in own_types(pipeline).items():
            content = resolved["steps"].get(step, {}) if step else resolved
            for reftype in () if content.get("skip") else types:
                if not content.get(f"override_{reftype}"):  # one step's override is no other's
                    found[reftype] = self._reference(pipeline, reftype, answers[reftype])
        return found

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

    def _answers(self, pipeline: str, header: str) -> Answers:
        """CRDS's answer for each type that a pipeline may ask for."""
        case = self._case(pipeline, header)
        if case not in self._answered:
            types = [*pars_types(pipeline).values(), *reference_types(pipeline)]
            best = self._best(header, types)
            self._answered[case] = Answers(best, digest(best))
        return self._answered[case]

    def _best(self, header: str, types: Sequence[str]) -> dict[str, str]:
        """CRDS's answer for each of several types, asked only where no header alike was before."""
        values, instrument = headers.parse(header), headers.value(header, "instrument")
        rules = rules_of(self.cache, self.context, instrument.lower()).by_type
        cases = {
            name: (name, instrument, *rule.case(values))
            for name in types
            if (rule := rules.get(name, NO_RULE)) is not None
        }
        new = [name for name in types if cases.get(name) not in self._chosen]
        found = self._looked_up(header, new) if new else {}
        for name in found.keys() & cases.keys():
            self._chosen[cases[name]] = found[name]
        return {
            name: found[name] if name in found else self._chosen[cases[name]]
            for name in types
            if name in found or cases.get(name) in self._chosen
        }

    def _looked_up(self, header: str, types: list[str]) -> dict[str, str]:
        """CRDS's answers; a type that an instrument omits has none."""
        from crds.core import utils

        values = headers.parse(header).items()
        conditioned = utils.condition_header({name.upper(): str(said) for name, said in values})
        mapping = mapping_of(self.cache, self.context)
        try:
            return mapping.get_best_references(mapping.minimize_header(conditioned), types)
        except Exception as err:  # CRDS raises many kinds, e.g. for an unknown instrument
            raise CalibrationError(f"{self.context} cannot tell references: {err}") from err

    def _case(self, pipeline: str, header: str) -> Case:
        """A pipeline, and what of a header this context's rules go by."""
        if header not in self._cases:
            instrument = headers.value(header, "instrument")
            rules = rules_of(self.cache, self.context, instrument.lower())
            self._cases[header] = (instrument, *rules.whole.case(headers.parse(header)))
        return (pipeline, *self._cases[header])

    def _named(self, name: str) -> tuple[str, str]:
        if name not in self._sha1s:
            self._sha1s[name] = cached_digest(self._file(name), "sha1")
        return name, self._sha1s[name]

    def _size(self, name: str) -> int:
        """Bytes of a reference; 0 if it is not in the cache, which is told where it is needed."""
        if name not in self._sizes:
            path = cache_path(self.cache, name)
            self._sizes[name] = path.stat().st_size if path.is_file() else 0
        return self._sizes[name]

    def _file(self, name: str) -> Path:
        """Where a reference is in the cache; ReferencesError if it is not there."""
        path = cache_path(self.cache, name)
        if not path.is_file():
            raise ReferencesError(
                f"{name} is not in the reference cache {self.cache}; "
                "run again with network, so that the references are synced."
            )
        return path


def _pars_names(pipeline: str, answers: Mapping[str, str]) -> dict[str, str]:
    """Step ("" for the pipeline, last) -> its pars reference, where CRDS has one."""
    types = pars_types(pipeline).items()
    return {step: answers[reftype] for step, reftype in types if _is_file(answers[reftype])}


def _who_says(parameter: str, pars: Mapping[str, str], layers: Sequence[Mapping[str, Any]]) -> str:
    """The last of the pars references that names a parameter; "" if none does."""
    found = ""
    for name, layer in zip(pars.values(), layers, strict=False):
        steps = layer.get("steps", {}).values()
        found = name if any(parameter in each for each in (layer, *steps)) else found
    return found


def _is_file(answer: str) -> bool:
    return not answer.startswith(NOT_FOUND) and "N/A" not in answer.upper()
