"""Causes over made-up histories: every file that differs has one, and it names what changed."""

from dataclasses import dataclass, field
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from jwmirror.core.model import Derivation, Entry, Input, Recipe
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.stored import GONE, PRESENT, Setup
from jwmirror.pipeline.derivation import key_of
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.planning.causes.states import Evidence, State
from jwmirror.store.manifest import entries_of
from jwmirror.store.rows.differences import compare_rows
from tests.setup import records

EXPOSURES = tuple(f"jw0134500{n}001_02101_00001_nrcb1" for n in (1, 2, 3))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w"


def digest(*parts: object) -> str:
    """A hex sha256 of some parts."""
    return sha256(repr(parts).encode()).hexdigest()


@dataclass
class History:
    """A mirror of three exposures and up to two recipes, which is changed step by step."""

    content: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EXPOSURES[:2], 1))
    gone: set[str] = field(default_factory=set)
    deselected: set[str] = field(default_factory=set)
    exclusive: set[str] = field(default_factory=lambda: {EXPOSURES[0]})
    recipes: dict[str, dict[str, object]] = field(
        default_factory=lambda: {"deep": {"threshold": 4.0, "jwst": "1", "flat": "a"}}
    )
    derivations: dict[str, Derivation] = field(default_factory=dict)

    # ---- what may happen, and how its cause is known: kind, and what the words contain

    def parameter(self, recipe: str, exposure: str) -> tuple[str, str]:
        settings = self.recipes.setdefault(recipe, {"threshold": 4.0, "jwst": "1", "flat": "a"})
        settings["threshold"] = 9.0 - float(str(settings["threshold"]))
        return "parameter", "jump.rejection_threshold"

    def version(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.recipes[recipe]["jwst"] = "2" if self.recipes[recipe]["jwst"] == "1" else "1"
        return "version", "jwst"

    def reference(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.recipes[recipe]["flat"] = "b" if self.recipes[recipe]["flat"] == "a" else "a"
        return "reference", "flat"

    def removal(self, recipe: str, exposure: str) -> tuple[str, str]:
        del self.recipes[recipe]
        return "removed", f"recipe {recipe}"

    def addition(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.recipes["quick"] = {"threshold": 6.0, "jwst": "1", "flat": "a"}
        return "added", "recipe quick"

    def reprocessing(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.content[exposure] += 1
        return "reprocessed", "SDP_VER"

    def arrival(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.content[EXPOSURES[2]] = 1
        return "new", "o003"

    def release(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.exclusive ^= {exposure}
        kind = "restricted" if exposure in self.exclusive else "released"
        return kind, kind

    def vanishing(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.gone ^= {exposure}
        return ("unlisted", "no longer listed") if exposure in self.gone else ("relisted", "again")

    def deselection(self, recipe: str, exposure: str) -> tuple[str, str]:
        self.deselected ^= {exposure}
        words = "no longer selected" if exposure in self.deselected else "selected by the config"
        return ("deselected" if exposure in self.deselected else "reselected"), words

    # ---- states

    def state(self) -> State:
        """The state as it would be published now."""
        rows = [self._upstream(exposure) for exposure in self.content]
        recipes = [Recipe(name=name, programs=()) for name in self.recipes]
        for name in self.recipes:
            rows += self._results(name)
        setup = Setup(config={}, recipes=tuple(recipes), software={})
        return State(entries=entries_of(rows), setup=setup, made_at="2026-01-01")

    def _upstream(self, exposure: str) -> Entry:
        name, number = f"{exposure}_uncal.fits", self.content[exposure]
        product = records.product(
            name,
            checksum=digest(exposure, number)[:32],
            sdp_ver=f"v{number}",
            exclusive=exposure in self.exclusive,
        )
        return records.entry(
            product,
            sha256=digest(name, number),
            identity=digest("identity", name, number),
            state=GONE if exposure in self.gone else PRESENT,
            deselected="2026-01-01" if exposure in self.deselected else "",
        )

    def _results(self, recipe: str) -> list[Entry]:
        rates = []
        for exposure, number in self.content.items():
            raw = f"{exposure}_uncal.fits"
            item = Input(
                name=raw, role="science", identity=digest("identity", raw, number), sha256=raw
            )
            rates.append(self._result(recipe, "detector1", exposure, "rate", [item]))
        members = [Input(name=row.filename, role="science", identity=row.identity) for row in rates]
        return [*rates, self._result(recipe, "image3", MOSAIC, "i2d", members)]

    def _result(
        self, recipe: str, pipeline: str, product: str, suffix: str, inputs: list[Input]
    ) -> Entry:
        settings = self.recipes[recipe]
        threshold = settings["threshold"]
        steps = {"jump": {"rejection_threshold": threshold}} if pipeline == "detector1" else {}
        flat = {"flat": (str(settings["flat"]), "1")} if pipeline == "image3" else {}
        made = Derivation(
            pipeline=pipeline,
            product=product,
            engine={"jwst": str(settings["jwst"])},
            inputs=tuple(inputs),
            parameters={"steps": steps},
            references=flat,
        )
        key = key_of(made)
        self.derivations[key] = made
        filename = f"{product}_{suffix}.fits"
        return Entry(
            path=f"recalibrated/{recipe}/jw01345/o001/{filename}",
            origin=recipe,
            sha256=digest("bytes", key),
            size=1,
            identity=digest("science", key),
            result=f"{pipeline}/{product}",
            key=key,
        )


STEPS = (
    *("parameter", "version", "reference", "removal", "addition", "reprocessing", "arrival"),
    *("release", "vanishing", "deselection"),
)


def is_possible(history: History, step: str, recipe: str) -> bool:
    """Whether a step changes something."""
    if step in ("parameter", "version", "reference", "removal"):
        return recipe in history.recipes
    if step == "addition":
        return "quick" not in history.recipes
    return step != "arrival" or EXPOSURES[2] not in history.content


steps = st.tuples(
    st.sampled_from(STEPS), st.sampled_from(["deep", "quick"]), st.sampled_from(EXPOSURES[:2])
)


def differing(old: State, new: State) -> dict[str, str]:
    """The paths in which two states differ, and how."""
    changes = compare_rows(old.entries, new.entries)
    return {(change.new or change.old).path: change.kind for change in changes}


def causes(history: History, old: State, new: State) -> tuple[Cause, ...]:
    """The causes of what differs."""
    return causes_between(old, new, Evidence(derivation=history.derivations.get))


@given(st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=6), st.data())
def test_every_file_that_differs_has_a_cause_that_names_what_changed(history, data):
    """Between any two generations, and after a rollback to any earlier one."""
    mirror = History()
    states = [mirror.state()]
    for run in history:
        before, expected = states[-1], []
        for step, recipe, exposure in run:
            if is_possible(mirror, step, recipe):
                expected.append((step, getattr(mirror, step)(recipe, exposure)))
        states.append(mirror.state())
        found = causes(mirror, before, states[-1])

        assert {p for cause in found for p in cause.paths} == differing(before, states[-1]).keys()
        if len(expected) == 1 and differing(before, states[-1]):
            ((step, (kind, words)),) = expected
            assert {cause.kind for cause in found} == {kind}, (step, found)
            assert all(words in str(cause) for cause in found)
    first, second = (data.draw(st.sampled_from(states)) for _ in range(2))
    for old, new in ((first, second), (second, first)):  # rolled back, or several steps at once
        found = causes(mirror, old, new)
        assert {p for cause in found for p in cause.paths} == differing(old, new).keys()
        assert not any(cause.kind in ("unknown", "inputs", "found", "withdrawn") for cause in found)
