"""Causes over made-up histories: every file that differs has one, and it names what changed."""

import re
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from jwmirror.core.model import Derivation, Entry, Input, Recipe
from jwmirror.core.model.history.causes import Cause, ContentChange, summed_up
from jwmirror.core.model.parameters import ParameterPlace
from jwmirror.core.model.stored import GONE, PRESENT, Setup
from jwmirror.pipeline.derivation import key_of
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.planning.causes.states import Lookups, PublishedState
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
        """A parameter is set to its other value; in a new recipe, too."""
        settings = self.recipes.setdefault(recipe, {"threshold": 4.0, "jwst": "1", "flat": "a"})
        settings["threshold"] = 9.0 - float(str(settings["threshold"]))
        return "parameter", "jump.rejection_threshold"

    def version(self, recipe: str, exposure: str) -> tuple[str, str]:
        """Another jwst runs."""
        self.recipes[recipe]["jwst"] = "2" if self.recipes[recipe]["jwst"] == "1" else "1"
        return "version", "jwst"

    def reference(self, recipe: str, exposure: str) -> tuple[str, str]:
        """CRDS gives another flat."""
        self.recipes[recipe]["flat"] = "b" if self.recipes[recipe]["flat"] == "a" else "a"
        return "reference", "flat"

    def removal(self, recipe: str, exposure: str) -> tuple[str, str]:
        """The recipe leaves the config."""
        del self.recipes[recipe]
        return "removed", f"recipe {recipe}"

    def addition(self, recipe: str, exposure: str) -> tuple[str, str]:
        """A second recipe."""
        self.recipes["quick"] = {"threshold": 6.0, "jwst": "1", "flat": "a"}
        return "added", "recipe quick"

    def reprocessing(self, recipe: str, exposure: str) -> tuple[str, str]:
        """MAST makes the file again."""
        self.content[exposure] += 1
        return "reprocessed", "SDP_VER"

    def arrival(self, recipe: str, exposure: str) -> tuple[str, str]:
        """MAST has another exposure."""
        self.content[EXPOSURES[2]] = 1
        return "new", "o003"

    def release(self, recipe: str, exposure: str) -> tuple[str, str]:
        """MAST changes who may read a file."""
        self.exclusive ^= {exposure}
        kind = "restricted" if exposure in self.exclusive else "released"
        return kind, kind

    def vanishing(self, recipe: str, exposure: str) -> tuple[str, str]:
        """MAST does not list a file, or does again."""
        self.gone ^= {exposure}
        return ("unlisted", "no longer listed") if exposure in self.gone else ("relisted", "again")

    def deselection(self, recipe: str, exposure: str) -> tuple[str, str]:
        """The config does not select a file, or does again."""
        self.deselected ^= {exposure}
        words = "no longer selected" if exposure in self.deselected else "selected by the config"
        return ("deselected" if exposure in self.deselected else "reselected"), words

    # ---- states

    def state(self) -> PublishedState:
        """The state as it would be published now."""
        rows = [self._upstream(exposure) for exposure in self.content]
        recipes = [Recipe(name=name, programs=()) for name in self.recipes]
        for name in self.recipes:
            rows += self._results(name)
        setup = Setup(config={}, recipes=tuple(recipes), software={})
        return PublishedState(entries=entries_of(rows), setup=setup, made_at="2026-01-01")

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


def differing(old: PublishedState, new: PublishedState) -> dict[str, str]:
    """The paths in which two states differ, and how."""
    changes = compare_rows(old.entries, new.entries)
    return {(change.new or change.old).path: change.kind for change in changes}


def causes(history: History, old: PublishedState, new: PublishedState) -> tuple[Cause, ...]:
    """The causes of what differs."""
    return causes_between(old, new, Lookups(derivation=history.derivations.get))


@settings(max_examples=40)
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
        assert not any(re.search(r"\b[0-9a-f]{8,}\b", str(cause)) for cause in found)


# ---- single causes ---------------------------------------------------------------------------


def words(old: list[Entry], new: list[Entry], lookups: Lookups | None = None) -> list[str]:
    """The causes of the difference of rows, in words."""
    before = PublishedState(entries=entries_of(old), made_at="2026-02-01T00:00:00")
    after = PublishedState(entries=entries_of(new), made_at="2026-03-01T00:00:00")
    found = causes_between(before, after, lookups or Lookups())
    rows = compare_rows(before.entries, after.entries)
    assert {p for c in found for p in c.paths} == {(row.new or row.old).path for row in rows}
    return list(map(str, summed_up(found)))


def asn(stamp: str, number: int = 1) -> Entry:
    """An association file, as MAST issued it at some time."""
    name = f"jw01345-o001_{stamp}_image3_{number:05d}_asn.json"
    return records.entry(records.product(name), sha256=digest(name))


FILE = records.entry(records.product(cal_ver="1.20.2", crds_ctx="jwst_1.pmap", sdp_ver="s"))
REMADE = replace(FILE, sha256="1" * 64, product=structs.replace(FILE.product, cal_ver="2.0.1"))


def marked(**fields: object) -> Entry:
    """The file, with other facts about it at MAST."""
    return replace(FILE, product=structs.replace(FILE.product, **fields))


def test_an_association_under_a_new_name_is_renamed():
    """Both rows are there because of it; a second one is not taken for it."""
    old, new = asn("20260101t000000"), asn("20260401t000000")

    (renamed,) = words([FILE, old], [FILE, new])
    several = words([FILE, old, asn("20260101t000000", 2)], [FILE, new, asn("20260401t000000", 3)])

    assert renamed == (f"renamed by MAST {old.filename} -> {new.filename}, jw01345 o001: 1 file")
    assert several == ["renamed by MAST, jw01345 o001: 2 files"]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            replace(FILE, state=GONE),
            "no longer listed by MAST (kept here), jw01345 o001: 1 file ({FILE})",
        ),
        (marked(exclusive=True), "restricted by MAST, jw01345 o001: 1 file ({FILE})"),
        (marked(stale=True), "queued at MAST for reprocessing, jw01345 o001: 1 file ({FILE})"),
        (marked(siblings="x"), "compared with MAST's, unchanged, jw01345 o001: 1 file"),
        (marked(filter="F200W"), "MAST describes it otherwise: filter, jw01345 o001: 1 file"),
        (
            replace(FILE, scheme="2"),
            "read again by another version of jwmirror, jw01345 o001: 1 file",
        ),
        (REMADE, "MAST reprocessed jw01345 o001: CAL_VER 1.20.2 -> 2.0.1; 1 file ({FILE})"),
        (
            replace(FILE, sha256="1" * 64),
            "MAST reprocessed jw01345 o001: its software and references are as before; "
            "1 file ({FILE})",
        ),
    ],
)
def test_what_mast_did_to_a_file_is_said(new, expected):
    """One file, one change."""
    assert words([FILE], [new]) == [expected.format(FILE=FILE.filename)]


def test_a_file_that_was_exclusive_is_released():
    """Its release date lies between the two states; one that was made since is new."""
    other = records.entry(records.product("jw01345002001_02101_00001_nrcb1_rate.fits"))
    released = replace(other, product=structs.replace(other.product, release_date="2026-02-14"))

    assert words([FILE], [FILE, released]) == [
        "released by MAST on 2026-02-14, jw01345 o002: 1 file"
    ]
    assert words([FILE], [FILE, other]) == ["new at MAST, jw01345 o002: 1 file"]


def test_files_that_leave_the_view_were_not_selected_any_more():
    """Nothing else removes a file of MAST."""
    named = f"1 file ({FILE.filename})"
    expected = [f"no longer selected by the config, jw01345 o001: {named} left the view"]
    assert words([FILE], []) == expected


def test_contents_are_summed_up_and_numbers_of_exclusive_files_are_left_out():
    """Three observations; the last of them is exclusive."""
    names = [f"jw0134500{n}001_02101_00001_nrcb1_rate.fits" for n in (1, 2, 3)]
    old = [records.entry(records.product(name), sha256=digest(name)) for name in names]
    new = [replace(row, sha256=digest(row.sha256)) for row in old]
    new[2] = replace(new[2], product=structs.replace(new[2].product, exclusive=True))
    old[2] = replace(old[2], product=structs.replace(old[2].product, exclusive=True))
    changes = [
        ContentChange(verdict="pixels changed", noise=0.02),
        ContentChange(verdict="pixels changed", sigma=0.4, noise=-0.12),
        ContentChange(verdict="pixels changed", sigma=9.0, noise=0.5),
    ]
    by_sums = {(a.sha256, b.sha256): c for a, b, c in zip(old, new, changes, strict=True)}
    lookups = Lookups(content=lambda a, b: by_sums.get((a, b)))

    assert words(old, new, lookups) == [
        "MAST reprocessed jw01345 o001 and 2 more: MAST lists no versions of it; "
        "pixels of 3 of 3 files changed by 0.4 sigma (median), noise up to \u221212 % "
        f"({', '.join(names)})"
    ]
    assert words(old[2:], new[2:], lookups)[0].endswith(
        f"; pixels of 1 of 1 file changed ({names[2]})"
    )


def placed(state: PublishedState, value: str, place: str) -> PublishedState:
    """The state, with a config that sets the threshold of recipe deep."""
    name = "detector1.jump.rejection_threshold"
    known = ParameterPlace(recipe="deep", name=name, value=value, place=place)
    return replace(state, setup=replace(state.setup, parameters=(known,)))


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ({"new": ("5", "line 41 of config.yaml")}, ", line 41 of config.yaml"),
        ({"old": ("4", "line 41 of config.yaml")}, ", before: line 41 of config.yaml"),
        ({"new": ("6", "line 41 of config.yaml")}, ""),  # of other exposures
        ({}, ""),
    ],
)
def test_a_parameter_names_the_line_that_sets_it(lines, where):
    """As the later of the two configs has it; otherwise as the earlier one had it."""
    mirror = History()
    states = {"old": mirror.state()}
    mirror.parameter("deep", "")
    states["new"] = mirror.state()
    states |= {name: placed(states[name], *line) for name, line in lines.items()}

    found = causes(mirror, states["old"], states["new"])

    assert [str(cause) for cause in found] == [
        f"jump.rejection_threshold 4.0 -> 5.0 (recipe deep, detector1{where}): 3 files"
    ]


def test_a_result_without_a_record_says_so():
    """Its files differ, whatever has changed; and under the same key it was computed again."""
    mirror = History()
    old = mirror.state()
    mirror.parameter("deep", "")
    new = mirror.state()
    mirror.derivations.clear()
    (row,) = (each for each in old.entries if each.filename.endswith("i2d.fits"))

    assert {cause.kind for cause in causes(mirror, old, new)} == {"unknown"}
    assert words([row], [replace(row, sha256="2" * 64)]) == [
        "computed again with the same settings (recipe deep): 1 file"
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"context": "b"}, "found valid in CRDS context b, too; before in a (recipe deep): 1 file"),
        ({"quality": "caveat"}, "quality sound -> caveat (recipe deep): 1 file"),
        ({"caveats": "[1]"}, "quality caveats -> other caveats (recipe deep): 1 file"),
        ({"deselected": "x"}, "no longer selected by the config (kept here), recipe deep: 1 file"),
    ],
)
def test_what_is_new_about_a_result_is_said(fields, expected):
    """Its bytes are the same."""
    (row,) = (each for each in History().state().entries if each.filename.endswith("i2d.fits"))
    row = replace(row, context="a", quality="sound")

    assert words([row], [replace(row, **fields)]) == [expected]


def test_a_recipe_that_asks_for_more_is_the_cause_of_new_results():
    """And of those that are gone; without a record of the recipes, they waited or failed."""
    mirror = History()
    new = mirror.state()
    rates = entries_of([row for row in new.entries if not row.filename.endswith("i2d.fits")])
    first = Recipe(name="deep", programs=(), stages=(1, 2))
    old = replace(new, entries=rates, setup=replace(new.setup, recipes=(first,)))

    (more,), (fewer,) = causes(mirror, old, new), causes(mirror, new, old)
    (found,) = causes(mirror, replace(new, entries=rates), new)

    assert str(more) == "stages [1,2] -> [1,2,3] (recipe deep): 1 file"
    assert str(fewer) == "stages [1,2,3] -> [1,2] (recipe deep): 1 file"
    assert found.kind == "found"
