"""Dates in the formats of the archive: ISO in UTC, and modified Julian."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1858, 11, 17)


def moment(text: str) -> datetime:
    """Parse an ISO date with a blank or T and any number of decimals; naive, UTC."""
    whole, _, decimals = text.strip().rstrip("Z").replace(" ", "T").partition(".")
    seconds = float(f"0.{decimals}") if decimals else 0.0
    return datetime.fromisoformat(whole) + timedelta(seconds=seconds)


def mjd(text: str) -> float:
    """Return the modified Julian date of an ISO date."""
    return (moment(text) - EPOCH) / timedelta(days=1)


def now() -> str:
    """Return the current time, ISO, UTC."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def later(text: str, days: float) -> str:
    """Return an ISO date this number of days later."""
    return (moment(text) + timedelta(days=days)).isoformat(timespec="milliseconds")
