"""The inputs of an association in a recipe: the recipe's results, or MAST's files.

Pure: results and holdings come as records.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Entry, Failure, Input, Recipe, ResultFile
from jwmirror.core.model.association import (
    SHUTTERS,
    UNCAL,
    Association,
    Associations,
    Member,
    OwnFile,
    root_of,
)
from jwmirror.core.model.derivation import STAGES, whole_pipeline
from jwmirror.core.model.plan import Chain, Result, Wait, WaitCause
from jwmirror.core.model.product import CALIBRATION
from jwmirror.pipeline import headers, registry

WITH_SHUTTERS = "NRS_MSASPEC"
RATES = ("rate", "rateints")
# of files with a header that no stage starts from
STEP_INPUTS = tuple(f"_{suffix}.fits" for suffix in sorted(registry.STEP_INPUTS))


@dataclass(frozen=True, kw_only=True)
class AvailableFiles:
    """The files that members of associations may be, and why others do not exist."""

    results: Mapping[tuple[str, str], ResultFile]  # by recipe and file name
    assumed: frozenset[tuple[str, str, int]]  # recipe, product and stage; content is unknown
    problems: Mapping[tuple[str, str], Wait | Failure]  # by recipe and product
    exposures: Mapping[str, Entry]  # raw ones, by root
    starts: Mapping[str, Entry]  # MAST's products that recipes start from, by root
    upstream: Mapping[str, Entry]  # MAST's files, by file name
    absent: Mapping[str, str]  # selected files -> why they are not
    # the user's, by path as in associations and recipes
    own: Mapping[str, OwnFile] = field(default_factory=dict)
    # MAST's products that a recipe takes no file of (recipe, product and stage) -> why
    not_taken: Mapping[tuple[str, str, int], str] = field(default_factory=dict)

    def inputs(self, recipe: Recipe, association: Association) -> tuple[Input, ...] | Wait:
        """Return the recipe's inputs for an association, or why it waits if one is missing.

        A member may be a file of the user. One that a stage of the recipe makes is the recipe's
        result. The others are MAST's, which must all be made by one version of jwst with one CRDS
        context.
        """
        inputs: list[Input] = []
        sources: list[Entry] = []
        for member in association.members:
            if member.path:
                item = self._own_input(member.path, member.name, member.exptype)
            else:
                file = self._file(recipe, member.name)
                item = input_of(file, member.exptype) if file else None
                sources += self._sources(recipe, member.name)
            if item is None:
                why, cause = self._why_missing(recipe, member)
                why = _missing_member(member.name) + why
                return Wait(recipe.name, association.product, why, cause, member.name)
            inputs.append(item)
        unknown = f"the header of {association.science[0].name} is unknown"
        if why := _mixture(sources) if self.header(association) else unknown:
            return Wait(recipe.name, association.product, why, "input")
        shutters = self.shutters(recipe, association)
        return shutters if isinstance(shutters, Wait) else (*inputs, *shutters)

    def shutters(self, recipe: Recipe, association: Association) -> tuple[Input, ...] | Wait:
        """Return the shutter configuration, if the pipeline reads one; or why it is missing."""
        name = shutters_file(association, self.header(association))
        if not name:
            return ()
        if name in recipe.msa:
            own = self._own_input(recipe.msa[name], name, SHUTTERS)
            why = self.own[recipe.msa[name]].refusal
            return (own,) if own else Wait(recipe.name, association.product, why, "input")
        if name in self.upstream:
            return (input_of(self.upstream[name], SHUTTERS),)
        missing = f"is not mirrored; add msa to the products of program {association.program}"
        why = f"{name} {self.absent.get(name, missing)}"
        return Wait(recipe.name, association.product, why, "input")

    def header(self, association: Association) -> str:
        """Return the header of the first science member, as stpipe does; "" if it is unknown."""
        return self.members(association)[0]

    def members(self, association: Association) -> tuple[str, ...]:
        """Return the headers of all science members, in order; "" of those that are unknown."""
        return tuple(map(self._header, association.science))

    def sources_of(self, association: Association) -> tuple[Input, ...]:
        """Return the files that the science members are made from; () unless all are known."""
        if not all(self.members(association)):
            return ()
        return tuple(self._start(member) for member in association.science)

    def _start(self, member: Member) -> Input:
        """Return the file that a member of known header is made from, or is."""
        if entry := self._exposure(member):
            return input_of(entry, member.exptype)
        own = self.own[member.path]
        return Input(name=member.name, role=member.exptype, sha256=own.sha256, path=own.path)

    def folder(self, association: Association) -> str:
        """Return the view folder of results: the exposure's in stage 2, else the candidate's."""
        first = self._exposure(association.science[0])
        if association.stage == 2 and first and first.product:
            return first.product.observation
        return association.candidate

    def _header(self, member: Member) -> str:
        """Return the header of a member; "" if it is unknown."""
        file = self.own.get(member.path) if member.path else self._exposure(member)
        return file.header if file else ""

    def _exposure(self, member: Member) -> Entry | None:
        """Return the file that the recipe starts from to make a member; None for a user's own."""
        root = "" if member.path else root_of(member.name)
        return self.exposures.get(root) or self.starts.get(root)

    def _own_input(self, path: str, name: str, role: str) -> Input | None:
        """Return a file of the user as an input of a name; None if it cannot be used."""
        own = self.own[path]
        known = {"identity": own.identity, "sha256": own.sha256, "path": own.path}
        return None if own.refusal else Input(name=name, role=role, **known)

    def _file(self, recipe: Recipe, name: str) -> ResultFile | Entry | None:
        """Return the file that a member is; without content if it is assumed to be made."""
        if (recipe.name, name) in self.results:
            return self.results[recipe.name, name]
        product = (recipe.name, root_of(name), registry.stage_that_makes(name))
        if product in self.assumed:
            return ResultFile(filename=name, sha256="", size=0, identity="")
        entry = None if product in self.not_taken else self.upstream.get(name)
        return entry if entry and not (entry.refusal or self._makes(recipe, name)) else None

    def _makes(self, recipe: Recipe, name: str) -> bool:
        """Return whether the recipe makes a file of that name, if all goes well.

        It makes files of stage 3 if a level below has a result of the same product, or a problem.
        """
        if registry.stage_that_makes(name) < 3:
            return _makes_of_exposure(recipe, name)
        product = (recipe.name, root_of(name))
        return product in self._names or product in self.problems

    def _sources(self, recipe: Recipe, name: str) -> list[Entry]:
        """Return the file of MAST that a member is, or that the recipe started from to make it."""
        rates = [f"{root_of(name)}_{suffix}.fits" for suffix in RATES if min(recipe.stages) > 1]
        names = rates if self._makes(recipe, name) else [name]
        return [self.upstream[name] for name in names if name in self.upstream]

    @cached_property
    def _names(self) -> dict[tuple[str, str], list[str]]:
        """File names of results by recipe and root."""
        by_root = group_by(self.results, lambda result: (result[0], root_of(result[1])))
        return {key: [name for _, name in results] for key, results in by_root.items()}

    # ---- why not

    def why_unmade(self, recipe: str, product: str) -> tuple[str, WaitCause]:
        """Return why a recipe has not made what another one needs of a product."""
        problem = self.problems.get((recipe, product))
        if isinstance(problem, Wait):
            return f"recipe {recipe}: {problem.why}", problem.cause
        if problem:
            return f"recipe {recipe}: {problem.message}", "failed"
        others = ", ".join(sorted(self._names.get((recipe, product), ("nothing",))))
        return f"recipe {recipe} made {others} of {product}", "input"

    def _why_missing(self, recipe: Recipe, member: Member) -> tuple[str, WaitCause]:
        """Return why a recipe has no file of that name: as text, and as a cause."""
        if member.path:
            return self.own[member.path].refusal, "input"
        name = member.name
        root, stage = root_of(name), registry.stage_that_makes(name)
        if not self._makes(recipe, name):
            if not_taken := self.not_taken.get((recipe.name, root, stage)):
                return not_taken, "input"
            entry = self.upstream.get(name)
            if entry:
                return entry.refusal, "input"
            why = f"it {self.absent[name]}" if name in self.absent else ""
            return why or _not_mirrored(name, recipe, stage), "input"
        problem = self.problems.get((recipe.name, root))
        if isinstance(problem, Wait):
            return problem.why, problem.cause
        if problem:
            return problem.message, "failed"
        if stage < 3 and root not in self.exposures:
            missing = "is not mirrored; select it in programs, if it exists"
            return f"{root}{UNCAL} {self.absent.get(f'{root}{UNCAL}', missing)}", "input"
        others = self._names.get((recipe.name, root), ())
        if others:
            of_what = "this exposure" if stage < 3 else "its direct images"
            return f"the recipe made {', '.join(sorted(others))} of {of_what}", "input"
        return f"the recipe made nothing of {root}{UNCAL}", "input"


def available_files(
    entries: Iterable[Entry],
    results: Iterable[Result] = (),
    problems: Iterable[Wait | Failure] = (),
    assumed_done: Iterable[Chain] = (),
    absent: Mapping[str, str] | None = None,
    own: Mapping[str, OwnFile] | None = None,
    not_taken: Mapping[tuple[str, str, int], str] | None = None,
) -> AvailableFiles:
    """Return the files that members may be.

    `results`, `problems` and `assumed_done` are those of the levels below in this run; the content
    of what a chain in `assumed_done` makes is unknown. `absent` says why selected files are not in
    the mirror, by file name. `own` are the files of the user, by path. `not_taken` says why
    recipes take no file of some of MAST's products, as `made_of_excluded` returns it.
    """
    entries = tuple(entries)
    upstream = {entry.filename: entry for entry in entries if entry.origin == UPSTREAM}
    return AvailableFiles(
        results={(made.recipe, file.filename): file for made in results for file in made.files},
        assumed=frozenset(
            (chain.recipe, derivation.product, derivation.stage)
            for chain in assumed_done
            for derivation in chain.derivations
        ),
        problems={(problem.recipe, problem.product): problem for problem in problems},
        exposures=raw_exposures(entries),
        starts={
            root_of(entry.filename): entry
            for entry in upstream.values()
            if entry.header and not entry.filename.endswith(STEP_INPUTS)
        },
        upstream=upstream,
        absent=absent or {},
        own=own or {},
        not_taken=not_taken or {},
    )


def raw_exposures(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the raw exposures by root, including those that MAST no longer offers."""
    raw = [entry for entry in entries if entry.product and entry.filename.endswith(UNCAL)]
    return {root_of(entry.filename): entry for entry in sorted(raw, key=lambda e: e.filename)}


def taken_from_upstream(
    entries: Iterable[Entry],
    associations: Associations,
    recipes: Iterable[Recipe],
    own: Mapping[str, OwnFile] | None = None,
) -> tuple[Entry, ...]:
    """Return MAST's files that recipes take as inputs, apart from raw exposures."""
    available = available_files(entries, own=own)
    names: dict[str, None] = {}
    for recipe in recipes:
        for association in (*associations.of(recipe, 2), *associations.of(recipe, 3)):
            members = (member.name for member in association.members if not member.path)
            names |= {name: None for name in members if not _makes_of_exposure(recipe, name)}
            names[shutters_file(association, available.header(association))] = None
        for step in () if recipe.products_of else recipe.steps:
            files = step_inputs(available.upstream.values(), recipe, step)
            names |= {entry.filename: None for entry in files}
    return tuple(available.upstream[name] for name in names if name in available.upstream)


def step_inputs(entries: Iterable[Entry], recipe: Recipe, step: str) -> Iterator[Entry]:
    """Return the files of MAST that a step of a recipe takes, if it is run alone."""
    return (
        entry
        for entry in entries
        if registry.takes_product(step, entry.filename)
        and registry.stage_that_makes(entry.filename) == STAGES[whole_pipeline(step)]
        and headers.is_selected(recipe, entry)
    )


def step_headers(
    available: AvailableFiles, associations: Associations, recipe: Recipe
) -> Iterator[tuple[str, str]]:
    """Yield the headers that may decide about references of a recipe's steps, with the steps."""
    for step in recipe.steps:
        if recipe.products_of:
            of_step = associations.of_step(recipe, step)
            yield from ((available.header(association), step) for association in of_step)
        else:
            files = step_inputs(available.upstream.values(), recipe, step)
            yield from ((entry.header, step) for entry in files)


def shutters_file(association: Association, header: str) -> str:
    """Return the shutter configuration that stage 2 of NIRSpec's MOS reads; "" for others."""
    is_stage_2 = association.stage == 2
    if not (is_stage_2 and header and headers.header_value(header, "exp_type") == WITH_SHUTTERS):
        return ""
    name = headers.parse_header(header).get(headers.SHUTTERS_FILE, "")
    return str(name) or "its shutter configuration (MSAMETFL)"


def why_missing(wait: Wait) -> str:
    """Return the text of a wait without the name of the missing member."""
    return wait.why.removeprefix(_missing_member(wait.member))


def _missing_member(member: str) -> str:
    return f"member {member} is missing: "


def _makes_of_exposure(recipe: Recipe, name: str) -> bool:
    """Return whether a file is made by stage 1 or 2 of a recipe."""
    stage = registry.stage_that_makes(name)
    return stage < 3 and stage in recipe.stages


def input_of(file: ResultFile | Entry, role: str) -> Input:
    """Return a file as an input; one of MAST's without a science identity is known by its bytes."""
    identity = file.identity or (file.sha256 if isinstance(file, Entry) else "")
    return Input(name=file.filename, role=role, identity=identity, sha256=file.sha256)


def _mixture(entries: Iterable[Entry]) -> str:
    """Return in which pedigree MAST's files differ; "" if they do not. Catalogues have none.

    An unknown value counts as different from all others.
    """
    products = [e.product for e in entries if e.product and e.filename.endswith(".fits")]
    for attribute, label in CALIBRATION.items():
        values = sorted({getattr(product, attribute) or "unknown" for product in products})
        if len(values) > 1:
            return (
                f"upstream's members are of {label} {' and '.join(values)}; it waits until MAST "
                "has made them all with one"
            )
    return ""


def _not_mirrored(name: str, recipe: Recipe, stage: int) -> str:
    suffix = name.rpartition("_")[2].partition(".")[0]
    if stage in recipe.stages:
        return (
            "it is not mirrored, and the recipe has no association of stage 3 that makes it; add "
            f"{suffix} to the products of its program, or asn, for its direct images"
        )
    return (
        f"it is not mirrored, and recipe {recipe.name} starts after stage {stage}; add {suffix} "
        "to the products of its program, or the stage to the recipe"
    )
