"""Dates as the archive writes them: ISO in UTC, and modified Julian."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1858, 11, 17)


def moment(text: str) -> datetime:
    """The moment that an ISO date (a blank or a T, any number of decimals) names; naive, UTC."""
    whole, _, decimals = text.strip().rstrip("Z").replace(" ", "T").partition(".")
    seconds = float(f"0.{decimals}") if decimals else 0.0
    return datetime.fromisoformat(whole) + timedelta(seconds=seconds)


def mjd(text: str) -> float:
    """The modified Julian date of an ISO date."""
    return (moment(text) - EPOCH) / timedelta(days=1)


def now() -> str:
    """This moment, ISO, UTC."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def later(text: str, days: float) -> str:
    """An ISO date that many days on."""
    return (moment(text) + timedelta(days=days)).isoformat(timespec="milliseconds")
