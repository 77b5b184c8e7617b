"""Estimates of the seconds that stages take: as in this mirror before, else as assumed. Pure.

Stages of one kind have the same pipeline and exposure type, and about the same amount of data. The
mirror keeps how long they took beside how long they were assumed to take, for each kind and for
what kinds have in common: the ratio of the two corrects the assumption. What is assumed was
measured for NIRCam imaging on one core; for other modes it is an order of magnitude.
"""

from collections.abc import Iterable, Iterator, Mapping

from jwmirror.core.model import Derivation
from jwmirror.core.model.plan import StageTimes
from jwmirror.pipeline.headers import header_value
from jwmirror.planning.estimates.shape import mode_of, samples_read, shape_of

TIMES_SCHEME = 1  # version of what is assumed and of kinds: 1 more with each change of them
ASSUMED = {  # pipeline -> seconds of any stage; microseconds for each value that is read
    "detector1": (1.0, 0.6),
    "dark": (1.0, 0.4),
    "guider": (1.0, 0.4),
    "image2": (1.0, 1.0),
    "spec2": (5.0, 10.0),
    "image3": (5.0, 4.0),
    "spec3": (5.0, 10.0),
    "tso3": (5.0, 1.0),
    "coron3": (10.0, 20.0),
    "ami3": (20.0, 20.0),
}
ASSUMED_OF_TYPES = {  # (pipeline, exposure type) -> the same
    ("spec2", "MIR_MRS"): (10.0, 30.0),
    ("spec3", "MIR_MRS"): (10.0, 60.0),
    ("spec2", "NRS_IFU"): (10.0, 40.0),
    ("spec3", "NRS_IFU"): (10.0, 40.0),
    ("spec2", "NRS_MSASPEC"): (10.0, 100.0),
    ("spec3", "NRS_MSASPEC"): (10.0, 40.0),
    ("spec2", "NIS_WFSS"): (10.0, 100.0),
    ("spec2", "NRC_WFSS"): (10.0, 100.0),
    ("spec2", "NIS_SOSS"): (10.0, 4.0),
}
MOST_STAGES = 100  # of one kind; then their sums are halved, so that new stages matter
OTHER_KINDS = 2.0  # the largest factor by which times of other kinds change an assumption

Times = Mapping[str, StageTimes]  # by kind, and by the beginnings of kinds


def stage_seconds(derivation: Derivation, header: str, times: Times) -> float:
    """Return the seconds that a stage will take; `header` as for its memory."""
    assumed = assumed_seconds(derivation, header)
    exact, *common = _kinds(derivation, header)
    if exact in times:
        return assumed * _factor(times[exact])
    known = next((times[kind] for kind in common if kind in times), None)
    factor = _factor(known) if known else 1.0
    return assumed * min(max(factor, 1 / OTHER_KINDS), OTHER_KINDS)


def assumed_seconds(derivation: Derivation, header: str) -> float:
    """Return the seconds that a stage is assumed to take before any was timed."""
    mode = mode_of(derivation, header)
    seconds, microseconds = ASSUMED_OF_TYPES.get(mode, ASSUMED[mode[0]])
    return seconds + microseconds / 1e6 * samples_read(derivation, shape_of(header))


def with_stages(
    times: Times, stages: Iterable[tuple[Derivation, str, float]]
) -> dict[str, StageTimes]:
    """Return times with those of further stages: derivation, header, seconds."""
    updated = dict(times)
    for derivation, header, seconds in stages:
        assumed = assumed_seconds(derivation, header)
        for kind in _kinds(derivation, header):
            before = updated.get(kind, StageTimes(0, 0, 0))
            weight = 0.5 if before.stages >= MOST_STAGES else 1.0
            updated[kind] = StageTimes(
                weight * before.stages + 1,
                round(weight * before.seconds + seconds, 3),
                round(weight * before.assumed + assumed, 3),
            )
    return updated


def _kinds(derivation: Derivation, header: str) -> Iterator[str]:
    """Yield the kind of a stage, then what it has in common with others, down to all stages."""
    exposure_type = header_value(header, "exp_type") if header else ""
    doublings = samples_read(derivation, shape_of(header)).bit_length()  # of the amount of data
    parts = [derivation.pipeline, exposure_type or "unknown", str(doublings)]
    for length in (3, 2, 1):
        yield " ".join(parts[:length])
    yield "all"


def _factor(times: StageTimes) -> float:
    return times.seconds / times.assumed
