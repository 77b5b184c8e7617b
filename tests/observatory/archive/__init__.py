"""A loopback MAST: files and rows in a folder, served to unmodified clients, edited like data."""

from tests.observatory.archive.archive import TOKEN, Archive, Served
from tests.observatory.archive.behaviour import Behaviour

__all__ = ["TOKEN", "Archive", "Behaviour", "Served"]
