"""Comparisons of two versions of a product in pictures and numbers, drawn once and kept."""

from jwmirror.compare.pictures.drawing import draw
from jwmirror.compare.pictures.many import draw_all
from jwmirror.compare.pictures.pairing import pairs, suffix_of
from jwmirror.compare.pictures.records import (
    CHANGE,
    MAST,
    RECIPES,
    DrawnComparison,
    DrawnPanel,
    FileRow,
    LargestDifference,
    Pair,
    Statistic,
)

__all__ = [
    "CHANGE",
    "MAST",
    "RECIPES",
    "DrawnComparison",
    "DrawnPanel",
    "FileRow",
    "LargestDifference",
    "Pair",
    "Statistic",
    "draw",
    "draw_all",
    "pairs",
    "suffix_of",
]
