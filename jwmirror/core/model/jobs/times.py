"""Times as Slurm writes them."""

import re

FORM = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


def slurm_seconds(text: str) -> int:
    """Return the seconds in 2-12:30:00, 12:30:00 or 30:00; 0 for UNLIMITED and the like."""
    if not (match := FORM.fullmatch(text)):
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
