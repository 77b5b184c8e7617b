"""A loopback MAST: files and rows in a folder, served to unmodified clients, edited like data."""

from jwmirror_simulator.mast.api.behaviour import Behaviour
from jwmirror_simulator.mast.archive import TOKEN, Archive, Exchange

__all__ = ["TOKEN", "Archive", "Behaviour", "Exchange"]
