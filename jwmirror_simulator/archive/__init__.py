"""A loopback MAST: files and rows in a folder, served to unmodified clients, edited like data."""

from jwmirror_simulator.archive.archive import TOKEN, Archive, Served
from jwmirror_simulator.archive.behaviour import Behaviour

__all__ = ["TOKEN", "Archive", "Behaviour", "Served"]
