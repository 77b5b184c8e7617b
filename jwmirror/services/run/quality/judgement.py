"""The judgement of all results of a mirror, from the records in it; remembered while they stay."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from jwmirror.config.thresholds import Thresholds
from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import digest, parse, read, write
from jwmirror.core.model import Derivation, Result
from jwmirror.core.model.plan import Invalidation, ProvenanceRecord, ReferenceFinding
from jwmirror.core.model.quality import (
    CAVEAT,
    UNMEASURED,
    Acceptance,
    Caveat,
    Measurements,
    Quality,
)
from jwmirror.pipeline.gaia.catalogues import requested_catalogues
from jwmirror.planning.quality import Evidence, judge
from jwmirror.services.run.quality.stored_files import stored_quantities
from jwmirror.store.provenance import Provenance, read_acceptances

METHOD = 1  # of judging; another number judges everything again
Name = tuple[str, str]  # recipe and key


class ResultToJudge(NamedTuple):
    """A result of this run, or one published before that stays: a later one failed or waits."""

    result: Result
    context: str  # of its row, as are the caveats (canonical JSON)
    caveats: str


@dataclass(frozen=True, kw_only=True)
class JudgementInputs:
    """What the qualities of a mirror's results are derived from, apart from their records."""

    results: Sequence[Result]  # of the run
    context: str  # in which they are valid
    contexts: Mapping[str, str] = field(default_factory=dict)  # of recipes that name another one
    earlier: Sequence[ResultToJudge]
    archived: Mapping[str, str]  # MAST's files of the same names: sha256
    references: Sequence[ReferenceFinding]
    thresholds: Thresholds


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The qualities of all results, and the digest of what they were derived from."""

    basis: str = ""
    qualities: dict[str, Quality] = field(default_factory=dict)  # by recipe/key


def judge_results(mirror: Path, inputs: JudgementInputs) -> dict[Name, Quality]:
    """Return the quality of each result, by recipe and key.

    If nothing that it depends on has changed, that of the last call is returned, and no provenance
    is read.
    """
    path = Path(mirror) / "receipts" / "quality.json"
    acceptances, invalidations = read_acceptances(mirror), Provenance(mirror).invalidations()
    results = [*inputs.results, *(earlier.result for earlier in inputs.earlier)]
    names = [(result.recipe, result.key) for result in results]
    files = [(*name, *result.files) for name, result in zip(names, results, strict=True)]
    basis, last = _basis(inputs, files, acceptances, invalidations), Judgement()
    with suppress(FileNotFoundError, StoreError):
        last = read(path, Judgement)
    if last.basis != basis:
        last = _Judging(Path(mirror), inputs, acceptances, invalidations).judge_all(basis)
        write(path, last, mode=0o600)  # it has numbers that were measured on exclusive data, too
    return {name: last.qualities["/".join(name)] for name in names}


def _basis(
    inputs: JudgementInputs,
    files: Sequence[object],
    acceptances: Mapping[str, Acceptance],
    invalidations: Mapping[str, Invalidation],
) -> str:
    """Return a digest of everything that qualities depend on.

    The files are part of it, because an invalidated key may get others.
    """
    of_rows = [earlier[1:] for earlier in inputs.earlier]
    contexts = (inputs.context, dict(inputs.contexts)) if inputs.contexts else inputs.context
    others = (contexts, inputs.archived, inputs.references, inputs.thresholds)
    return digest((METHOD, files, of_rows, others, acceptances, invalidations))


def _requested(derivation: Derivation) -> tuple[object, ...]:
    """Return what the user decides of a derivation: parameters, code, own and override files."""
    slices = requested_catalogues(derivation.parameters)
    files = derivation.references.items()
    own = {kind: file for kind, file in files if "." in kind and kind not in slices}
    inputs = [(item.name, item.role, item.identity) for item in derivation.inputs if item.path]
    return (derivation.parameters, derivation.hooks, own, inputs)


class _Judging:
    """The judgement of results, members before the products that are made of them."""

    def __init__(
        self,
        mirror: Path,
        inputs: JudgementInputs,
        acceptances: Mapping[str, Acceptance],
        invalidations: Mapping[str, Invalidation],
    ):
        self.inputs, self.acceptances = inputs, acceptances
        self._invalidations = invalidations
        self._mirror, self._read = mirror, Provenance(mirror).read
        self._qualities: dict[Name, Quality] = {}
        self._members: dict[tuple[str, str, str], Name] = {}  # recipe, file name, identity
        self._comparable: set[Name] = set()  # with what they replaced

    def judge_all(self, basis: str) -> Judgement:
        """Return the qualities of all results."""
        context, contexts = self.inputs.context, self.inputs.contexts
        results = [
            ResultToJudge(result, contexts.get(result.recipe, context), "")
            for result in self.inputs.results
        ]
        results += self.inputs.earlier
        known = {
            (each.result.recipe, each.result.key): (each, record)
            for each in results
            if (record := self._read(each.result.key))
        }
        for name, (each, _) in known.items():
            for file in each.result.files:
                self._members.setdefault((each.result.recipe, file.filename, file.identity), name)
        members_of = {name: self._made_of(name, record) for name, (_, record) in known.items()}
        for name in TopologicalSorter(members_of).static_order():
            self._qualities[name] = self._judged(*known[name])
        lost = {(each.result.recipe, each.result.key): Quality(word=UNMEASURED) for each in results}
        qualities = {"/".join(name): quality for name, quality in (lost | self._qualities).items()}
        return Judgement(basis=basis, qualities=qualities)

    def _made_of(self, name: Name, record: ProvenanceRecord) -> set[Name]:
        """Return the other results of its recipe that a result was made of."""
        files = ((name[0], item.name, item.identity) for item in record.derivation.inputs)
        return {self._members[file] for file in files if file in self._members} - {name}

    def _judged(self, candidate: ResultToJudge, record: ProvenanceRecord) -> Quality:
        recipe, key = candidate.result.recipe, candidate.result.key
        derivation, measurements = record.derivation, record.measurements
        replaced = self._replaced((recipe, key), record)
        about = (derivation.references, candidate.context)
        evidence = Evidence(
            product=derivation.product,
            measurements=measurements,
            replaced=self._quantities(replaced) if replaced else {},
            archived=self._of_archive(measurements) if measurements else {},
            members=self._members_of(recipe, derivation, candidate.caveats),
            findings=[each for each in self.inputs.references if each.is_about(*about)],
            invalidation=self._invalidations.get(key),
        )
        mode = (measurements.instrument, measurements.exp_type) if measurements else ("", "")
        return judge(evidence, self.inputs.thresholds.of(*mode), self.acceptances.get(key))

    def _members_of(
        self, recipe: str, derivation: Derivation, inherited: str
    ) -> dict[str, Quality]:
        """Return the qualities of a result's inputs that are results.

        Of an earlier result some are not published any more: their caveats are in its row.
        """
        old = parse(inherited, tuple[Caveat, ...]) if inherited else ()
        by_member = {caveat.subject: caveat for caveat in old if caveat.cause == "member"}
        members: dict[str, Quality] = {}
        for item in derivation.inputs:
            if name := self._members.get((recipe, item.name, item.identity)):
                members[item.name] = self._qualities[name]
            elif caveat := by_member.get(item.name):
                members[item.name] = Quality(word=CAVEAT, caveats=(caveat,))
        return members

    def _replaced(self, name: Name, record: ProvenanceRecord) -> ProvenanceRecord | None:
        """Return the record of the result before, unless the user requested a change.

        The parameters, the user's code and files must be equal, also those of changed members, and
        the members that the recipe excludes.
        """
        before = self._read(record.replaced) if record.replaced else None
        if before is None:
            return None
        old, new = before.derivation, record.derivation
        if _requested(old) != _requested(new) or before.excluded.keys() != record.excluded.keys():
            return None
        identities = {item.name: item.identity for item in old.inputs}
        for item in new.inputs:
            member = self._members.get((name[0], item.name, item.identity))
            is_other = identities.get(item.name) not in (None, item.identity)
            if member and is_other and member not in self._comparable:
                return None
        self._comparable.add(name)
        return before

    def _quantities(self, record: ProvenanceRecord) -> dict[str, dict[str, float]]:
        """Return the quantities of a result's files, also if an older jwmirror recorded it."""
        if record.measurements:
            return record.measurements.files
        return {
            file.filename: stored_quantities(self._mirror, file.sha256, file.filename)
            for file in record.files
        }

    def _of_archive(self, measurements: Measurements) -> dict[str, dict[str, float]]:
        """Return the quantities of MAST's files of the names that were measured."""
        return {
            name: stored_quantities(self._mirror, self.inputs.archived[name], name)
            for name in measurements.files
            if name in self.inputs.archived
        }
