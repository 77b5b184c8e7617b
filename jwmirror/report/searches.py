"""What searches find, as a record; its fields are the keys of `jwmirror search --json`."""

from dataclasses import dataclass

from jwmirror.core.model.search import FoundParts, ResolvedTarget


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """What the searches in a config find at MAST."""

    targets: dict[str, ResolvedTarget]  # by name, as in the config
    found: dict[str, FoundParts]  # by the place of a search
    lines: tuple[str, ...]  # in words: programs, files and bytes, what is new or not found now
    failures: tuple[str, ...]  # in words
