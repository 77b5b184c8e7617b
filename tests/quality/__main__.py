"""Write docs/quality-troubles.md: `python -m tests.quality [FOLDER]`.

In a folder that is given, results are kept: called again, only judging is done again.
"""

import logging
import sys
import tempfile
from pathlib import Path

from tests.quality.healthy import FIRST_TESTED, calibrate_healthy
from tests.quality.page import PAGE, HealthyMode, page
from tests.quality.play import play
from tests.quality.troubles import FURTHER, TROUBLES


def main(folder: Path) -> None:
    """Play all troubles, then the healthy programs; write the page."""
    healthy = [
        HealthyMode(mode, tuple(results))
        for mode, results in calibrate_healthy(FIRST_TESTED, folder / "healthy").items()
    ]
    troubles = play(TROUBLES, folder / "troubles")
    further = play(FURTHER, folder / "further")
    PAGE.write_text(page(troubles, further, healthy))


if __name__ == "__main__":
    logging.disable()
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
