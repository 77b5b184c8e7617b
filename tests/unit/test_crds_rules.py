"""Rules of CRDS: which header values decide, and for which types that is not known."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from jwmirror.pipeline.crds_rules import DATE, TIME, Rule, join_rules, rule_of

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
