"""Records of exclusive data: how many files of an observation are exclusive, and until when."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExclusiveFiles:
    """Files of one observation that are exclusive for the same time."""

    program: str  # folder of the view: jw01345
    observation: str  # folder: o001
    release: str  # ISO day; "" if it is not known
    words: str  # until when they are exclusive
    of_mast: int  # files from MAST
    recalibrated: int  # files that were made from exclusive ones

    def __str__(self) -> str:
        parts = [f"{_files(self.of_mast)} of MAST"] if self.of_mast else []
        if self.recalibrated:
            parts.append(f"{_files(self.recalibrated)} made from exclusive data")
        return f"{self.program} {self.observation}: {', '.join(parts)}; {self.words}"


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"
