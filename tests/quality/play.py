"""Troubles played: each in a program of its own, all through the services of a run."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.model import Recipe
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.quality import SOUND, UNMEASURED, CaveatCause
from tests.quality.bench import Bench, BenchResult
from tests.quality.programs import CONTEXTS, observe, write_references
from tests.quality.troubles import BEFORE, MAST, Trouble

FIRST = 5001  # program number of the first trouble


@dataclass(frozen=True)
class Outcome:
    """What jwmirror says about the results of one trouble."""

    trouble: Trouble
    results: tuple[BenchResult, ...]

    @property
    def of_interest(self) -> tuple[BenchResult, ...]:
        """The results that must show it; those that could not be made included."""
        return tuple(each for each in self.results if each.pipeline in (self.trouble.result, ""))

    @property
    def causes(self) -> set[CaveatCause]:
        """The causes that those results have."""
        return {cause for each in self.of_interest for cause in each.causes}

    @property
    def is_flagged(self) -> bool:
        """Whether a result that must show it has caveats or failed, or none was made."""
        return any(
            each.failure or each.quality.word not in (SOUND, UNMEASURED)
            for each in self.of_interest
        )

    @property
    def has_right_cause(self) -> bool:
        """Whether one of the right causes is among its causes; or nothing was made, as expected."""
        if self.trouble.fails:
            return any(each.failure for each in self.of_interest)
        return bool(self.causes & {*self.trouble.causes})


def play(troubles: Sequence[Trouble], folder: Path) -> list[Outcome]:
    """Play troubles, those of one context in one mirror; return their outcomes in order."""
    results: dict[int, list[BenchResult]] = {}
    for modes in CONTEXTS:
        chosen = {n: each for n, each in enumerate(troubles, FIRST) if each.mode in modes}
        if chosen:
            results |= _play_all(modes, chosen, folder / modes[0])
    return [
        Outcome(trouble, tuple(results[number])) for number, trouble in enumerate(troubles, FIRST)
    ]


def _play_all(
    modes: Collection[str], troubles: Mapping[int, Trouble], folder: Path
) -> dict[int, list[BenchResult]]:
    crds = folder / "crds"
    write_references(crds, modes)
    bench = Bench(folder)
    for number, trouble in troubles.items():
        program = observe(trouble.mode, number, folder / "sky", absent=trouble.absent)
        if trouble.edit:
            trouble.edit(program.uncals)
        bench.take(program)
    _play_earlier(bench, crds, troubles)
    found = _play_now(bench, crds, {n: t for n, t in troubles.items() if not t.references})
    for number, trouble in troubles.items():
        if trouble.references:
            wrong = folder / f"crds-{number}"
            shutil.copytree(crds, wrong, dirs_exist_ok=True)
            trouble.references(wrong)
            found |= _play_now(bench, wrong, {number: trouble})
    return found


def _play_earlier(bench: Bench, crds: Path, troubles: Mapping[int, Trouble]) -> None:
    """Make the results that later ones are compared with."""
    before = [
        _recipe(number, trouble)
        for number, trouble in troubles.items()
        if trouble.compared_with == BEFORE or trouble.retracted
    ]
    programs = tuple(n for n, t in troubles.items() if t.compared_with == MAST)
    recipes = [*before, *([Recipe(name="mast", programs=programs)] if programs else [])]
    if recipes:
        bench.run(crds, *recipes)
        bench.take_results("mast")


def _play_now(
    bench: Bench, crds: Path, troubles: Mapping[int, Trouble]
) -> dict[int, list[BenchResult]]:
    """Return the results of troubles by their numbers; those of retracted references alone."""
    ordinary = {n: each for n, each in troubles.items() if not each.retracted}
    groups = [ordinary, *({n: each} for n, each in troubles.items() if each.retracted)]
    found: dict[int, list[BenchResult]] = {number: [] for number in troubles}
    for group in filter(None, groups):
        recipes = [_recipe(number, trouble) for number, trouble in group.items()]
        kinds = [trouble.retracted for trouble in group.values() if trouble.retracted]
        findings = [_retraction(crds, kind) for kind in kinds]
        for result in bench.run(crds, *recipes, findings=findings):
            found[result.program].append(result)
    return found


def _retraction(crds: Path, kind: str) -> ReferenceFinding:
    (path, *_) = crds.glob(f"references/jwst/*/jwst_*_{kind}_*.fits")
    return ReferenceFinding(
        name=path.name, kind="retracted", message=f"CRDS has retracted {path.name}"
    )


def _recipe(number: int, trouble: Trouble) -> Recipe:
    return Recipe(
        name=f"t{number}",
        programs=(number,),
        stages=trouble.stages,
        parameters=dict(trouble.parameters),
    )
