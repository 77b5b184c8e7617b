"""A simulated MAST: files in a folder, offered to unmodified clients, and edited like data."""

from jwmirror_simulator.mast.api.oddities import Oddities
from jwmirror_simulator.mast.archive import TOKEN, Archive, Exchange

__all__ = ["TOKEN", "Archive", "Exchange", "Oddities"]
