"""Write docs/mistakes.md: `python -m tests.mistakes`, or only print some mistakes.

`python -m tests.mistakes tab` plays and prints those with "tab" in their description.
"""

import logging
import sys

from tests.mistakes.page import MISTAKES, PAGE, page, transcript
from tests.mistakes.play import play
from tests.mistakes.rules import broken_rules

logging.disable()
if words := " ".join(sys.argv[1:]):
    for mistake in (each for each in MISTAKES if words in each.what):
        outcome = play(mistake)
        print(transcript(mistake, outcome), *broken_rules(mistake, outcome), sep="\n")
else:
    PAGE.write_text(page({mistake.what: play(mistake) for mistake in MISTAKES}))
