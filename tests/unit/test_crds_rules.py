"""Rules of CRDS: which header values decide, and for which types that is not known."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from jwmirror.core.errors import ReferencesError
from jwmirror.pipeline.crds_rules import (
    DATE,
    TIME,
    Rule,
    Rules,
    crds_environment,
    forget_mappings,
    invalid_moment,
    join_rules,
    mapping_of,
    rule_of,
    rules_of,
)

NOON = datetime(2022, 6, 1, 12)
USE_AFTER = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
FILTER = "META.INSTRUMENT.FILTER"


class Selector(SimpleNamespace):
    """A level of an rmap: what is chosen by each key."""

    def keys(self) -> list[str]:
        """The keys."""
        return list(self.chosen)

    def choices(self) -> list[object]:
        """What is chosen: a file, or the next level."""
        return list(self.chosen.values())


def rmap(dates: tuple[str, ...] = ("2022-06-01 12:00:00",), **header: object) -> SimpleNamespace:
    """An rmap that chooses by filter, then by the date of use."""
    by_date = Selector(chosen={date: f"file_{n}.fits" for n, date in enumerate(dates)})
    classes = ("Match", "UseAfter")
    return SimpleNamespace(
        header={"classes": classes, **header},
        parkey=((FILTER,), USE_AFTER),
        selector=Selector(chosen={"F200W": by_date}),
        get_required_parkeys=lambda: (FILTER, *USE_AFTER),
    )


def moment(date: str, time: str = "12:00:00") -> dict[str, str]:
    """Header values of an exposure."""
    return {DATE: date, TIME: time, FILTER.lower(): "F200W"}


def test_a_type_is_decided_by_its_keys_and_the_dates_of_its_files():
    """Date and time count only as how many of the dates are before them."""
    assert rule_of(rmap()) == Rule((FILTER.lower(),), (NOON,))


@pytest.mark.parametrize(
    "header",
    [
        {"rmap_relevance": "(EXP_TYPE == 'NRC_IMAGE')"},
        {"rmap_omit": "(EXP_TYPE == 'NRC_IMAGE')"},
        {"parkey_relevance": {"meta_instrument_filter": "(CHANNEL != 'LONG')"}},
        {"hooks": {"fallback_header": "fallback_header_x"}},
    ],
)
def test_a_type_with_further_rules_is_looked_up_for_every_exposure(header):
    """They use values that are not among the keys: equal cases may get different references."""
    assert rule_of(rmap(**header)) is None


@pytest.mark.parametrize(
    "header",
    [{"rmap_relevance": "always"}, {"rmap_omit": False}, {"parkey_relevance": {}, "hooks": {}}],
)
def test_rules_that_say_nothing_do_not_matter(header):
    """CRDS writes these defaults into most rmaps."""
    assert rule_of(rmap(**header)) is not None


def test_a_date_that_cannot_be_read_makes_all_moments_count():
    """Then date and time are ordinary values."""
    rule = rule_of(rmap(dates=("2022-06-01 12:00:00", "2022-6-1")))

    assert rule.dates is None
    assert set(rule.names) == {DATE, TIME, FILTER.lower()}


@pytest.mark.parametrize(
    ("before", "after"),
    [(("2022-06-01", "11:59:59"), ("2022-06-01", "12:00:00")), (("2022-05-31",), ("2022-06-02",))],
)
def test_a_date_of_use_separates_exposures_before_and_after(before, after):
    """From its second on, the new file is used."""
    rule = rule_of(rmap())

    assert rule.case(moment(*before)) != rule.case(moment(*after))
    assert rule.case(moment("2022-06-01")) == rule.case(moment("2023-01-01"))


def test_a_moment_that_cannot_be_read_is_a_case_by_itself():
    """It does not take the answers of others, and others do not take its."""
    rule = rule_of(rmap())

    cases = {rule.case(moment(date)) for date in ("2022-06-01", "20220601", "2022-13-01", "")}

    assert len(cases) == 4


def test_values_that_decide_are_in_the_case_and_others_are_not():
    """A missing value is a value."""
    rule = rule_of(rmap())
    known = moment("2022-06-01")

    assert rule.case(known) == rule.case({**known, "meta.exposure.type": "X"})
    assert rule.case(known) != rule.case({**known, FILTER.lower(): "F150W"})
    assert rule.case(known) != rule.case({DATE: known[DATE], TIME: known[TIME]})


def test_types_are_joined_with_all_their_dates():
    """The dates of each separate exposures; all names count."""
    one, two = Rule(("a",), (NOON,)), Rule(("b",), (datetime(2021, 1, 1),))

    joined = join_rules(["B", "A", *USE_AFTER], [one, two])

    assert joined == Rule(("a", "b"), (datetime(2021, 1, 1), NOON))


@pytest.mark.parametrize("other", [None, Rule(("a",), None)])
def test_one_type_of_unknown_dates_makes_all_moments_count(other):
    """Known beside unknown: nothing is guessed."""
    joined = join_rules(["A"], [Rule(("a",), (NOON,)), other])

    assert joined == Rule(("a", DATE, TIME), None)


def test_crds_works_offline_from_one_cache(tmp_path, monkeypatch):
    """By these variables; the cache may be named from the working directory."""
    monkeypatch.chdir(tmp_path)

    assert crds_environment(Path("crds"), "jwst_1.pmap") == {
        "CRDS_PATH": str(tmp_path / "crds"),
        "CRDS_CONTEXT": "jwst_1.pmap",
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_READONLY_CACHE": "1",
        "CRDS_INI_FILE": "/dev/null/none",
    }


def test_a_context_that_cannot_be_loaded_is_told_with_the_next_step(tmp_path, monkeypatch):
    """Another cache than the process has, and mappings that are not there."""
    monkeypatch.delenv("CRDS_PATH", raising=False)
    with pytest.raises(
        ReferencesError, match=rf"^CRDS_PATH is None, expected {tmp_path}; put crds"
    ):
        mapping_of(tmp_path, "jwst_1.pmap")

    monkeypatch.setenv("CRDS_PATH", str(tmp_path))
    words = rf"^jwst_1.pmap cannot be loaded from the reference cache {tmp_path}: .*; run"
    with pytest.raises(ReferencesError, match=words):
        mapping_of(tmp_path, "jwst_1.pmap")


def levels(classes: tuple, parkey: tuple, selector: object, required: tuple) -> SimpleNamespace:
    """An rmap of other levels."""
    return SimpleNamespace(
        header={"classes": classes},
        parkey=parkey,
        selector=selector,
        get_required_parkeys=lambda: required,
    )


EARLY, LATE = "2020-01-01 00:00:00", "2022-06-01 12:00:00"


@pytest.mark.parametrize(
    ("classes", "parkey", "required", "expected"),
    [
        (("Match", "UseAfter"), ((FILTER,), USE_AFTER), (FILTER, *USE_AFTER), "dates"),
        (("UseAfter",), (USE_AFTER,), USE_AFTER, "dates"),
        (("Match",), ((FILTER,),), (FILTER,), "none"),
        (("Match", "Match"), ((FILTER,), USE_AFTER), (FILTER, *USE_AFTER), "any"),
        (("UseAfter", "Match"), (USE_AFTER[:1], (FILTER,)), (FILTER, *USE_AFTER), "any"),
        (("Match",), ((FILTER,),), (FILTER, USE_AFTER[1]), "any"),
    ],
)
def test_dates_are_those_of_a_use_after_level(classes, parkey, required, expected):
    """If date or time are used in another way, all moments count."""
    by_date = Selector(chosen={LATE: "b.fits", EARLY: "a.fits"})
    is_first = classes[0] == "UseAfter"
    selector = by_date if is_first else Selector(chosen={"F200W": by_date, "F150W": "c.fits"})

    rule = rule_of(levels(classes, parkey, selector, required))

    names = {name.lower() for name in required}
    if expected == "any":
        assert rule == Rule(tuple(sorted(names)), None)
    else:
        dates = (datetime(2020, 1, 1), NOON) if expected == "dates" else ()
        assert rule == Rule(tuple(sorted(names - {DATE, TIME})), dates)


def test_an_rmap_without_classes_has_no_dates():
    """Older ones have none."""
    plain = levels((), ((FILTER,),), Selector(chosen={}), (FILTER,))
    del plain.header["classes"]

    assert rule_of(plain) == Rule((FILTER.lower(),), ())


@pytest.mark.parametrize(
    ("date", "time", "case"),
    [
        ("2019-12-31", "23:59:59.999999", 0),
        ("2020-01-01", "00:00:00", 1),
        ("2022-06-01", "11:59:59.9", 1),
        ("2022-06-01", "12:00:00.0", 2),
        ("2022-02-30", "12:00:00", "2022-02-30 12:00:00"),
        ("2022-06-01", "12:00", "2022-06-01 12:00"),
        ("2022-06-01", "12:00:00.1234567", "2022-06-01 12:00:00.1234567"),
        ("2022-06-01T", "12:00:00", "2022-06-01T 12:00:00"),
        ("", "", " "),
    ],
)
def test_a_case_begins_with_the_number_of_dates_before(date, time, case):
    """Or with date and time as they are written, if they cannot be read."""
    rule = Rule(("a", "b"), (datetime(2020, 1, 1), NOON))

    assert rule.case({DATE: date, TIME: time, "a": 1}) == (case, "1", "")
    assert replace(rule, dates=None).case({"b": "x"}) == (None, "", "x")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({DATE: "2022-06-01", TIME: "12:00:00"}, ""),
        ({DATE: "2022-06-01", TIME: "12:00:00.5"}, ""),
        ({DATE: "20220601", TIME: "12:00:00"}, "20220601 12:00:00"),
        ({DATE: "2022-06-01"}, ""),  # CRDS takes midnight
        ({}, " "),
    ],
)
def test_a_moment_that_crds_cannot_read_is_told_as_it_is(values, expected):
    """For the message that refuses the exposure."""
    assert invalid_moment(values) == expected


def test_joined_names_have_date_and_time_only_if_all_moments_count():
    """In lower case, each once."""
    assert join_rules(["B", *USE_AFTER], []) == Rule(("b",), ())
    assert join_rules(["B", USE_AFTER[0]], [None]) == Rule(("b", DATE, TIME), None)


def test_mappings_and_rules_are_loaded_once_until_they_are_forgotten(tmp_path, monkeypatch):
    """CRDS's own caches are cleared before each load, for its files may have been replaced."""
    from crds.core import rmap, utils

    calls: list[str] = []
    mapping = SimpleNamespace(get_required_parkeys=lambda: calls.append("rules") or {})
    monkeypatch.setenv("CRDS_PATH", str(tmp_path))
    monkeypatch.setattr(utils, "clear_function_caches", lambda: calls.append("clear"))
    monkeypatch.setattr(rmap, "get_cached_mapping", lambda name: calls.append(name) or mapping)

    for _ in range(2):
        assert rules_of(tmp_path, "c.pmap", "nircam") == Rules(Rule(()), {})
        assert mapping_of(tmp_path, "c.pmap") is mapping
    assert calls == ["clear", "c.pmap", "rules"]
    forget_mappings()
    rules_of(tmp_path, "c.pmap", "nircam")

    assert calls == ["clear", "c.pmap", "rules"] * 2
