"""Criteria on exposures and products, such as {"filter": F200W or F405N}: one rule for all of them.

Selections of programs, recipes and their where-blocks use it. Values are compared without regard to
case, surrounding white space and leading zeros of numbers. NIRCam and NIRISS have bandpass filters
in both of their wheels, so a filter is looked for in either. Where both wheels have one, only that
of the pupil wheel counts: it is the narrower (JDox, NIRCam Filters: F405N is used with F444W, which
blocks its leaks). F405N+F444W means the pair. The criterion `file` is a shell-style pattern, which
an exposure meets if one of the names does that its files have. Pure.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from itertools import product

from jwmirror.core.names import INSTRUMENT_OF, root_and_suffix

Criteria = Mapping[str, frozenset[str]]  # by key: normalised values; one of them is wanted
ValueOf = Callable[[str], object]  # the value of an exposure or product; None or "": it has none

KEYS = {  # of a selection in the config: the key under which its values are compared
    "observations": "observation",
    "instruments": "instrument",
    "detectors": "detector",
    "exposure_types": "exp_type",
    "filters": "filter",
    "gratings": "grating",
    "subarrays": "subarray",
}
PLACES = {  # keys whose value may be in one of several places
    "filter": ("filter", "pupil"),
    "product": ("suffix", "kind", "group"),
}
WHEELS = PLACES["filter"]
FILE = "file"
FILES = ("_uncal", "_rate", "_rateints", "_cal", "_calints")  # of an exposure
ENDS = ("", *FILES, *(f"{suffix}.fits" for suffix in FILES))
PAIR = "+"  # joins the elements of both wheels; their order does not matter
BANDPASS = re.compile(r"F\d+(?:[NMW]|W2)")  # a filter, not a grism, mask, lens...
NIRCAM_FILTERS = (
    "F070W F090W F115W F140M F150W F150W2 F182M F187N F200W F210M F212N F250M F277W F300M F322W2 "
    "F335M F356W F360M F410M F430M F444W F460M F480M WLP4"
)
NIRISS_FILTERS = "CLEAR F277W F356W F380M F430M F444W F480M GR150C GR150R"
USED_WITH = (  # elements of the pupil wheel, and those of the filter wheel used with them (JDox)
    ("CLEAR FLAT GRISMC GRISMR GDHS0 GDHS60 PINHOLES", NIRCAM_FILTERS),
    ("MASKBAR MASKIPR MASKRND WLM8 WLP8", NIRCAM_FILTERS),
    ("F162M F164N", "F150W2"),
    ("F323N", "F322W2"),
    ("F405N F466N F470N", "F444W"),
    ("CLEARP GR700XD NRM", NIRISS_FILTERS),
    ("F090W F115W F140M F150W F158M F200W", "CLEAR GR150C GR150R"),
)
FILTERS_WITH = {pupil: filters.split() for pupils, filters in USED_WITH for pupil in pupils.split()}


def normalise_value(value: object) -> str:
    """Return a value as it is compared: in upper case, 1345 for 01345, "" for None.

    A pair of filters is sorted: F405N+F444W for f444w + F405N.
    """
    text = "" if value is None else str(value).strip().upper()
    if PAIR in text:
        return PAIR.join(sorted(part.strip() for part in text.split(PAIR)))
    return str(int(text)) if text.isdecimal() else text


def criteria_of(match: Mapping[str, object]) -> Criteria:
    """Return criteria that a config or a recipe gives: one value or a list of values by key."""
    return {key: frozenset(map(normalise_value, _listed(wanted))) for key, wanted in match.items()}


def values_of(key: str, value_of: ValueOf, *, has_pupil: bool = False) -> frozenset[str]:
    """Return the normalised values that an exposure or product has for a key; empty if none.

    `has_pupil`: there is a criterion on the pupil wheel too, so that the filter in the other wheel
    counts, whatever the pupil wheel has.
    """
    if key == FILE:
        return _file_names(str(value_of(key) or ""))
    values = [normalise_value(value_of(place)) for place in PLACES.get(key, (key,))]
    if key == "filter" and all(values):
        pair = PAIR.join(sorted(values))
        is_blocker = not has_pupil and all(map(BANDPASS.fullmatch, values))
        values = [*values[is_blocker:], pair]
    return frozenset(values) - {""}


def matches(criteria: Criteria, value_of: ValueOf, *, if_unknown: bool = False) -> bool:
    """Return whether an exposure or product meets all criteria.

    Where it has no value for a key, `if_unknown` decides; by default only the value "" is met.
    """
    has_pupil = "pupil" in criteria
    return all(
        _is_one_of(wanted, values or {""}, key) or (if_unknown and not values)
        for key, wanted in criteria.items()
        for values in [values_of(key, value_of, has_pupil=has_pupil)]
    )


def _is_one_of(wanted: Iterable[str], values: Iterable[str], key: str) -> bool:
    if key == FILE:
        return any(fnmatchcase(value, pattern) for value in values for pattern in wanted)
    return not frozenset(wanted).isdisjoint(values)


def _file_names(filename: str) -> frozenset[str]:
    """Return the names of all files of a file's exposure, in the form that is compared."""
    root = root_and_suffix(filename)[0]
    names = (filename, *(f"{root}{end}" for end in ENDS)) if filename else ()
    return frozenset(map(normalise_value, names))


def describe_match(match: Mapping[str, object]) -> str:
    """Return criteria in words: "detector NRCA1 or NRCA2, filter F200W"."""
    return ", ".join(f"{key} {' or '.join(map(str, _listed(m)))}" for key, m in match.items())


def _listed(wanted: object) -> list[object]:
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


# ---- two criteria at once --------------------------------------------------------------------


@dataclass(frozen=True)
class Overlap:
    """The exposures that meet two criteria: possible values by key, and contents of the wheels."""

    values: Criteria  # without filter, pupil and file
    wheels: tuple[Mapping[str, str], ...]  # "" means any element that no criterion names
    patterns: tuple[tuple[str, ...], ...]  # alternatives; the names meet all patterns of one

    def is_within(self, criteria: Criteria) -> bool:
        """Return whether all of these exposures meet further criteria too."""
        others, of_wheels, wanted_files = _split(criteria)
        return (
            all(matches(of_wheels, wheels.get) for wheels in self.wheels)
            and all(not wanted_files or wanted_files & {*patterns} for patterns in self.patterns)
            and all(key in self.values and self.values[key] <= others[key] for key in others)
        )


def overlap(one: Criteria, other: Criteria) -> Overlap | None:
    """Return which exposures meet both criteria; None if no exposure can.

    No exposure is of two detectors, two instruments or two filters. But one meets both F405N and
    F405N+F444W, or both F200W and GRISMR. The name of an exposure says its detector and more.
    """
    first, wheels_of_first, files_of_first = _split(one)
    second, wheels_of_second, files_of_second = _split(other)
    values = {**first, **{key: second[key] & first.get(key, second[key]) for key in second}}
    wheels = tuple(
        wheels
        for wheels in _wheels([*wheels_of_first.items(), *wheels_of_second.items()])
        if matches(wheels_of_first, wheels.get) and matches(wheels_of_second, wheels.get)
    )
    possible = [found for key in values if (found := instruments_with(key, values[key]))]
    is_possible = not possible or bool(frozenset.intersection(*possible))
    patterns = tuple(
        patterns
        for patterns in product(*filter(None, (files_of_first, files_of_second)))
        if not patterns or is_possible_name(patterns, values)
    )
    is_possible = is_possible and all(values.values()) and bool(wheels and patterns)
    return Overlap(values, wheels, patterns) if is_possible else None


def _split(criteria: Criteria) -> tuple[Criteria, Criteria, frozenset[str]]:
    """Return the criteria on other keys, those on the wheels, and the patterns of file names."""
    of_wheels = {key: criteria[key] for key in WHEELS if key in criteria}
    others = {key: criteria[key] for key in criteria if key not in (*WHEELS, FILE)}
    return others, of_wheels, criteria.get(FILE, frozenset())


def _wheels(wanted: list[tuple[str, frozenset[str]]]) -> list[dict[str, str]]:
    """Return the combinations of named filter and pupil elements that an exposure can have."""
    named = frozenset({""}).union(*(values for key, values in wanted if key == "filter"))
    pairs = {value for value in named if PAIR in value}
    filters = (named - pairs).union(*(pair.split(PAIR) for pair in pairs))
    pupils = (filters & FILTERS_WITH.keys()).union(
        {""}, *(v for key, v in wanted if key == "pupil")
    )
    return [
        {"filter": filter_, "pupil": pupil}
        for filter_, pupil in product(sorted(filters), sorted(pupils))
        if not filter_
        or filter_ in FILTERS_WITH.get(pupil, [filter_])
        or PAIR.join(sorted((filter_, pupil))) in pairs
    ]


def instruments_with(key: str, values: frozenset[str]) -> frozenset[str]:
    """Return the instruments that have one of these values; empty if that is not known."""
    if key == "instrument":
        return values
    if key not in ("detector", "exp_type"):
        return frozenset()
    starts = {value[:3] for value in values}
    known = all(start in INSTRUMENT_OF for start in starts)
    return frozenset(INSTRUMENT_OF[start] for start in starts) if known else frozenset()


def name_test(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a test: True if a file name fits one of some shell-style patterns; case matters."""
    regex = re.compile("|".join(translate(pattern) for pattern in patterns) or r"(?!)")
    return lambda filename: regex.match(filename) is not None


# ---- patterns of file names ------------------------------------------------------------------

# All patterns read a name side by side, character by character: a set has the positions in them
# that some name can reach.

DIGIT, ALPHANUMERIC = "0123456789", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_DETECTOR = 10  # characters of a detector's name: MIRIFUSHORT has one more than its instrument
TOKEN = re.compile(r"\*|\[!?\]?[^\]]*\]|.")  # of a shell-style pattern
Position = tuple[int, ...]  # in each of several patterns


def is_possible_name(patterns: Iterable[str], values: Criteria | None = None) -> bool:
    """Return whether one name of an exposure's file can fit all of some patterns.

    `values` are criteria on what names say, too: program, observation, visit, detector...
    """
    tokens = [TOKEN.findall(normalise_value(pattern)) for pattern in patterns]
    positions = _with_empty_stars({(0,) * len(tokens)}, tokens)
    for alternatives in _parts_of_a_name(values or {}):
        reached: set[Position] = set()
        for symbols in alternatives:
            after = positions
            for symbol in symbols:
                after = _after(after, symbol, tokens)
            reached |= after
        positions = reached
    return tuple(map(len, tokens)) in positions


def _parts_of_a_name(values: Criteria) -> Iterable[Iterable[Sequence[str]]]:
    """Return alternatives for each part of a name, as the characters allowed at each place."""

    def number(key: str, digits: int) -> list[Sequence[str]]:
        return [value.zfill(digits) for value in values.get(key, ())] or [[DIGIT] * digits]

    instruments = values.get("instrument", frozenset(INSTRUMENT_OF.values()))
    detectors: Sequence[Sequence[str]] = [
        [*start, *[ALPHANUMERIC] * length]
        for start, instrument in INSTRUMENT_OF.items()
        if instrument in instruments
        for length in range(MAX_DETECTOR)
    ]
    return (
        *(["JW"], number("program", 5), number("observation", 3), number("visit", 3)),
        *(["_"], [[DIGIT] * 5], ["_"], number("exposure", 5)),
        *(["", [*"-SEG", *[DIGIT] * 3]], ["_"], tuple(values.get("detector", ())) or detectors),
        list(map(str.upper, ENDS)),
    )


def _after(
    positions: Iterable[Position], symbol: str, patterns: Sequence[Sequence[str]]
) -> set[Position]:
    """Return the positions after one more character, which is one of a symbol's."""
    reached: set[Position] = set()
    for position in positions:
        tokens = [tokens[i : i + 1] for tokens, i in zip(patterns, position, strict=True)]
        if any(all(token and _fits(c, *token) for token in tokens) for c in symbol):
            reached.add(tuple(i + (t != ["*"]) for i, t in zip(position, tokens, strict=True)))
    return _with_empty_stars(reached, patterns)


def _fits(character: str, token: str) -> bool:
    return token in ("*", character) or fnmatchcase(character, token)


def _with_empty_stars(positions: set[Position], patterns: Sequence[Sequence[str]]) -> set[Position]:
    """Return the positions, and those after asterisks that match nothing."""
    todo, reached = list(positions), set(positions)
    while todo:
        position = todo.pop()
        for number, (tokens, i) in enumerate(zip(patterns, position, strict=True)):
            further = (*position[:number], i + 1, *position[number + 1 :])
            if tokens[i : i + 1] == ["*"] and further not in reached:
                reached.add(further)
                todo.append(further)
    return reached
