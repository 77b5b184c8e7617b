"""Write what the simulation shows about quality as docs/quality-troubles.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.model.quality import SOUND
from tests.quality.bench import BenchResult
from tests.quality.play import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "quality-troubles.md"
OPENING = """\
# What quality notices

Programs are simulated, calibrated with the real jwst, measured, judged and published by the
functions that a run calls. `make troubles` writes this page; it takes an hour, less if it is
called again.

"""
TROUBLES = """\
## Troubles

One thing is wrong in each program. *Flagged* are results with the word `caveat` or `failed`. A
cause is right if it is what a user would look for; inherited causes of members count. Of some raw
data jwst makes nothing: there is no result then, and the run reports the exposure, and what waits
for it.

"""
FURTHER = """\
## Further troubles in other modes

They were written after the thresholds, which were not changed because of them; but their author had
seen the thresholds.

"""
HEALTHY = """\
## Healthy results

Nothing is wrong in these programs. MAST's products are made with other parameters, and the results
are made again with a flat that is 2 % higher. Thresholds were chosen on other programs: these have
another noise, other cosmic rays, other pointing errors and, with NIRCam, other stars. The simulated
telescope knows no other modes.

"""


@dataclass(frozen=True)
class HealthyMode:
    """The results of the healthy programs of one mode."""

    mode: str
    results: tuple[BenchResult, ...]

    @property
    def alarms(self) -> tuple[BenchResult, ...]:
        """The results that are not sound, or could not be made."""
        return tuple(each for each in self.results if each.quality.word != SOUND)

    def __str__(self) -> str:
        pipelines = Counter(each.pipeline for each in self.results)
        counts = ", ".join(f"{count} {name}" for name, count in pipelines.items())
        return _line(self.mode, counts, str(len(self.results)), str(len(self.alarms)))


def table_of_troubles(outcomes: Sequence[Outcome]) -> str:
    """Return one line per trouble, and how many were noticed."""
    lines = [_line("what goes wrong", "mode", "result", "quality", "causes", "right cause")]
    lines.append("|---" * 6 + "|")
    for outcome in outcomes:
        words = dict.fromkeys(
            each.quality.word or "not made; the run reports why" for each in outcome.of_interest
        )
        facts = (outcome.trouble.name, outcome.trouble.mode, outcome.trouble.result)
        right = "yes" if outcome.has_right_cause else "**no**"
        lines.append(_line(*facts, ", ".join(words), ", ".join(sorted(outcome.causes)), right))
    flagged = sum(outcome.is_flagged for outcome in outcomes)
    right = sum(outcome.has_right_cause for outcome in outcomes)
    total = f"{len(outcomes)} troubles: {flagged} flagged, {right} with the right cause."
    return "\n".join([*lines, "", total, ""])


def table_of_healthy(modes: Sequence[HealthyMode]) -> str:
    """Return one line per mode, and each false alarm in full."""
    lines = [_line("mode", "results", "number", "false alarms"), "|---" * 4 + "|"]
    lines += map(str, modes)
    alarms = [each for mode in modes for each in mode.alarms]
    number = sum(len(mode.results) for mode in modes)
    lines += ["", f"{number} healthy results: {len(alarms)} false alarms.", ""]
    for each in alarms:
        messages = [caveat.message for caveat in each.quality.caveats] or [each.failure]
        lines.append(f"- {each.name}: {'; '.join(messages)}")
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def page(
    troubles: Sequence[Outcome],
    further: Sequence[Outcome],
    healthy: Sequence[HealthyMode],
) -> str:
    """Return the whole page."""
    return "".join(
        [
            *(OPENING, TROUBLES, table_of_troubles(troubles), "\n"),
            *(FURTHER, table_of_troubles(further), "\n"),
            *(HEALTHY, table_of_healthy(healthy)),
        ]
    )
