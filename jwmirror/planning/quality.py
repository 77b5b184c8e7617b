"""The quality of results, derived from measurements and thresholds. Pure: records in, records out.

It depends on nothing but the arguments: the same evidence gives the same quality at any time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jwmirror.core.grouping import group_by
from jwmirror.core.model.plan import Invalidation, ReferenceFinding
from jwmirror.core.model.quality import (
    CAVEAT,
    FAILED,
    SOUND,
    UNMEASURED,
    Acceptance,
    Caveat,
    CaveatCause,
    Measurements,
    Quality,
    Threshold,
)

USABLE, ROWS = "usable", "rows"  # quantities: of usable pixels; number of rows
SKIPPED = "SKIPPED"
Quantities = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the quality of one result is derived from."""

    product: str
    measurements: Measurements | None
    replaced: Mapping[str, Quantities] = field(default_factory=dict)  # file -> measured before
    archived: Mapping[str, Quantities] = field(default_factory=dict)  # file -> of MAST's product
    members: Mapping[str, Quality] = field(default_factory=dict)  # file name -> its quality
    findings: Sequence[ReferenceFinding] = ()  # about references that it was made with
    invalidation: Invalidation | None = None  # if the user marked it


def judge(
    evidence: Evidence, thresholds: Sequence[Threshold], acceptance: Acceptance | None = None
) -> Quality:
    """Return the quality of a result.

    `evidence.replaced` is the result that was published before, if it had equal parameters: a
    difference that the user requested is not a caveat.
    """
    caveats = [
        *_measured(evidence, thresholds),
        *_inherited(evidence),
        *_findings(evidence),
        *_invalidation(evidence),
    ]
    if acceptance:
        caveats = [_accepted(caveat, acceptance) for caveat in caveats]
    if evidence.measurements and _is_unusable(evidence.product, evidence.measurements):
        return Quality(word=FAILED, caveats=tuple(caveats))
    if caveats:
        return Quality(word=CAVEAT, caveats=tuple(caveats))
    is_measured = evidence.measurements and any(_own_files(evidence.product, evidence.measurements))
    return Quality(word=SOUND if is_measured else UNMEASURED)


def _is_unusable(product: str, measurements: Measurements) -> bool:
    """Return whether none of a result's products has a usable pixel; else, a row in a table."""
    for quantity in (USABLE, ROWS):
        files = _own_files(product, measurements)
        values = [file[quantity] for file in files if quantity in file]
        if values:
            return max(values) <= 0
    return False


def _own_files(product: str, measurements: Measurements) -> tuple[Quantities, ...]:
    """Return the quantities of a result's products.

    Files of other names, such as the members of a mosaic after outlier detection, do not count,
    unless there are no others.
    """
    own = [file for name, file in measurements.files.items() if name.startswith(product)]
    return tuple(own or measurements.files.values())


# ---- causes ----------------------------------------------------------------------------------


def _measured(evidence: Evidence, thresholds: Sequence[Threshold]) -> Iterator[Caveat]:
    measurements = evidence.measurements
    if measurements is None:
        return
    yield from _steps(measurements)
    for threshold in thresholds:
        if threshold.of == "member":
            yield from _absolute(threshold, measurements.members)
        elif threshold.limit == "change":
            yield from _change(threshold, measurements, evidence.archived, "MAST's product")
            yield from _change(threshold, measurements, evidence.replaced, "the result before")
        else:
            yield from _absolute(threshold, measurements.files)


def _steps(measurements: Measurements) -> Iterator[Caveat]:
    for step, state in sorted(measurements.steps.items()):
        if state == "FAILED":
            why = f"step {step} failed; the result lacks its correction; see the log of the product"
            yield Caveat(cause="step failed", subject=step, message=why)
        elif state == SKIPPED:
            why = f"step {step} was skipped although it had what it needs; its log says why"
            yield Caveat(cause="step skipped", subject=step, message=why)
    by_step = group_by(measurements.fallbacks, lambda fallback: fallback.step)
    for step, fallbacks in sorted(by_step.items()):
        messages = "; ".join(fallback.message for fallback in fallbacks)
        why = f"step {step} went on in a simpler way: {messages}"
        yield Caveat(cause="fallback", subject=step, message=why)


def _absolute(threshold: Threshold, measured: Mapping[str, Quantities]) -> Iterator[Caveat]:
    for name, quantities in sorted(measured.items()):
        value, allowed = quantities.get(threshold.quantity), allowed_for(threshold, name)
        if value is None or allowed is None:
            continue
        if value > allowed if threshold.limit == "at most" else value < allowed:
            what = f"{threshold.measures}: {value:.4g}; {threshold.limit} {allowed:g} is allowed"
            yield _caveat(threshold, name, what, value, allowed)


def _change(
    threshold: Threshold, new: Measurements, old: Mapping[str, Quantities], whose: str
) -> Iterator[Caveat]:
    """Yield a caveat for each file whose quantity differs too much from that of an old file."""
    for name, quantities in sorted(new.files.items()):
        before = old.get(name, {})
        now, was = quantities.get(threshold.quantity), before.get(threshold.quantity)
        scale = max((abs(before.get(each, 0.0)) for each in threshold.scale), default=0.0)
        allowed = allowed_for(threshold, name)
        if now is None or was is None or allowed is None or scale == 0:
            continue
        change = abs(now - was) / scale
        if change > allowed:
            what = (
                f"{threshold.measures}: {now:.4g} here, {was:.4g} in {whose}, a difference of "
                f"{change:.0%}; up to {allowed:.0%} is allowed"
            )
            yield _caveat(threshold, name, what, change, allowed)


def allowed_for(threshold: Threshold, name: str) -> float | None:
    """Return what a threshold allows for a file, by its suffix; None if it is not judged."""
    suffix = name.rpartition("_")[2].partition(".")[0]
    return threshold.by_suffix.get(suffix, threshold.value)


def _caveat(threshold: Threshold, name: str, what: str, measured: float, allowed: float) -> Caveat:
    return Caveat(
        cause=threshold.cause,
        subject=name,
        message=f"{name}: {what}",
        measured=measured,
        allowed=allowed,
        is_provisional=threshold.is_provisional,
    )


def _inherited(evidence: Evidence) -> Iterator[Caveat]:
    """Yield one caveat for each member that is not sound; the member's record has the details."""
    for name, quality in sorted(evidence.members.items()):
        if not quality.caveats:
            continue
        causes = causes_of(quality.caveats)
        open_ones = [caveat for caveat in quality.caveats if not caveat.accepted]
        state = "failed" if quality.word == FAILED else "has caveats"
        yield Caveat(
            cause="member",
            subject=name,
            message=f"its member {name} {state}: {', '.join(causes)}",
            is_provisional=all(caveat.is_provisional for caveat in open_ones or quality.caveats),
            inherited=causes,
            accepted="" if open_ones else quality.caveats[0].accepted,
        )


def _findings(evidence: Evidence) -> Iterator[Caveat]:
    for finding in evidence.findings:
        yield Caveat(cause="reference", subject=finding.name, message=finding.message)


def _invalidation(evidence: Evidence) -> Iterator[Caveat]:
    if mark := evidence.invalidation:
        because = f": {mark.because}" if mark.because else ""
        what = f"invalidated on {mark.at[:10]} and not computed again since{because}"
        yield Caveat(cause="invalidated", subject=evidence.product, message=what)


def causes_of(caveats: Iterable[Caveat]) -> tuple[CaveatCause, ...]:
    """Return the causes of caveats, each once; those at members instead of "member"."""
    causes = [cause for caveat in caveats for cause in (caveat.inherited or (caveat.cause,))]
    return tuple(dict.fromkeys(causes))


def _evidence(caveat: Caveat) -> tuple[object, ...]:
    """Return what a caveat rests on: the same result may get others of its cause and subject.

    MAST's product may change, a member may get more caveats, CRDS may retract a reference that it
    could not verify before, and the user may invalidate the result again.
    """
    said = caveat.message if caveat.cause in ("reference", "fallback", "invalidated") else ""
    return (caveat.cause, caveat.subject, caveat.measured, caveat.inherited, said)


def _accepted(caveat: Caveat, acceptance: Acceptance) -> Caveat:
    """Return a caveat as accepted, if the user accepted this one."""
    if caveat.accepted or _evidence(caveat) not in map(_evidence, acceptance.caveats):
        return caveat
    text = f"by {acceptance.who}, {acceptance.accepted_at[:10]}: {acceptance.because}"
    return replace(caveat, accepted=text)
