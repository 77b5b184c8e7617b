"""The forecast of disk growth: from the mirror's own history, or none."""

from datetime import UTC, datetime, timedelta

import pytest

from jwmirror.core.model.stored import ADDED, Generation
from jwmirror.report.growth import Growth, forecast_growth, recent_growth
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.rollback import roll_back
from tests.setup.command_line import answer, run
from tests.setup.mirrors import store_row
from tests.unit.test_generation_parts import publish
from tests.unit.test_hold import HELD

NOW = datetime(2026, 7, 1, tzinfo=UTC)
GB = 1_000_000_000


def generation(number, days, added=GB) -> Generation:
    """A generation that was published so many days ago; None: an earlier version did."""
    return Generation(
        number=number,
        parent=number - 1 or None,
        parent_sha256="",
        manifest_sha256="",
        made_at=(NOW - timedelta(days=days)).isoformat(timespec="seconds"),
        cause="",
        counts={} if added is None else {ADDED: added},
        facts={},
    )


def forecast(history, free=GB) -> Growth | None:
    """The forecast with so many free bytes."""
    growth = recent_growth(history, NOW)
    return forecast_growth(growth, free, NOW) if growth else None


def test_growth_is_that_of_the_generations_after_the_first():
    """The first one is what MAST had; the time counts from there, up to now."""
    history = [generation(1, 90, 500 * GB), *(generation(n, 90 - 20 * n) for n in (2, 3, 4))]

    found = forecast(history, 10 * GB)

    assert (found.generations, found.added, found.per_month) == ((2, 3, 4), 3 * GB, GB)
    assert (found.since, found.full) == ("2026-04-02T00:00:00+00:00", "2027-04-27")
    assert str(found) == (
        "disk: 3 GB were added since 2026-04-02 (generations 2-4), 1 GB a month; 10 GB are "
        "free: the disk would be full on 2027-04-27 at this rate"
    )


def test_old_history_says_little_about_the_next_months():
    """Generations of the last 180 days count."""
    history = [generation(1, 400), generation(2, 300, 900 * GB)]
    history += [generation(n, 200 - 30 * (n - 2)) for n in (3, 4, 5)]

    found = forecast(history, 10 * GB)

    assert (found.generations, found.since[:10]) == ((3, 4, 5), "2025-09-04")


@pytest.mark.parametrize(
    "history",
    [
        [],
        [generation(1, 100)],
        [generation(1, 100), generation(2, 50), generation(3, 20)],
        [generation(1, 13), generation(2, 9), generation(3, 5), generation(4, 1)],
        [generation(1, 90), generation(2, 60), generation(3, 40, None), generation(4, 1)],
    ],
)
def test_too_little_history_gives_no_forecast(history):
    """Fewer than three generations after the first, less than two weeks, or not recorded."""
    assert forecast(history) is None


@pytest.mark.parametrize(("added", "free"), [(0, GB), (1000, 10**15)])
def test_a_disk_that_is_enough_has_no_day(added, free):
    """Nothing was added, or it would take more than ten years."""
    history = [generation(n, 100 - 20 * n, added) for n in (1, 2, 3, 4)]

    found = forecast(history, free)

    assert (found.full, "enough for years" in str(found)) == ("", True)


def test_a_generation_records_what_it_was_the_first_to_need(mirror):
    """Of objects with several names once; what the parent has is not added."""
    publish(mirror, (b"1", b"22"), (b"1", b"333"))
    same = [store_row(mirror, name, b"4444") for name in "ab"]
    Generations(mirror).publish(same, "same", {})

    assert [each.counts[ADDED] for each in Generations(mirror).all()] == [3, 3, 4]


def test_generations_beside_a_held_view_do_not_count_twice(mirror):
    """Each follows the generation that is shown, and the newest one has its files already."""
    publish(mirror, (b"1",))
    roll_back(mirror, 1, hold=HELD)

    publish(mirror, (b"1", b"22"), (b"1", b"22", b"333"))

    assert [each.counts[ADDED] for each in Generations(mirror).all()] == [1, 2, 3]


def test_status_has_the_forecast(small_mirror, monkeypatch):
    """On the page and as JSON; a young mirror has none."""
    at = ("--mirror", small_mirror.root)
    assert answer("status", *at)["growth"] is None
    history = [generation(n, 100 - 20 * n) for n in range(1, 5)]
    monkeypatch.setattr(
        "jwmirror.services.inspect.status.recent_growth", lambda *_: recent_growth(history, NOW)
    )

    assert "disk: 3 GB were added since" in " ".join(run("status", *at).split())
    assert answer("status", *at)["growth"]["generations"] == [2, 3, 4]
