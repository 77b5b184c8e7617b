"""The observations that candidates combine, as far as CAOM and names of files show them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from jwmirror.archive.tables.rows import CaomObservation, CaomProduct
from jwmirror.core import names

FIRST_PART = len("jw01345001001_")  # of a name, with program and observation
SEVERAL = ("c", "a")  # begin the candidates of several observations
OF_EXPOSURES = ("crf.fits", "crfints.fits", "-oi.fits", "psfsub.fits")  # that stage 3 makes


def members_of_candidates(
    observations: Iterable[CaomObservation], files: Sequence[CaomProduct]
) -> dict[str, tuple[str, ...]]:
    """Return the observations that each candidate of several combines: c1001 -> o001, o002."""
    members: dict[str, set[str]] = defaultdict(set)
    for one, other in _related_names(observations, files):
        for candidate, observation in ((one, other), (other, one)):
            if candidate.startswith(SEVERAL) and names.is_observation(observation):
                members[candidate].add(observation)
    return {candidate: tuple(sorted(some)) for candidate, some in sorted(members.items())}


def _related_names(
    observations: Iterable[CaomObservation], files: Sequence[CaomProduct]
) -> set[tuple[str, str]]:
    """Return pairs of observations and candidates that have a file in common.

    CAOM lists the files of its members under a candidate, and its files under its members. What
    stage 3 makes of an exposure names the candidate.
    """
    of_obsids = {each.obsid: names.observation_of(each.name) for each in observations}
    first_parts = {(file.parent or "", file.filename[:FIRST_PART]) for file in files}
    made = (file.filename for file in files if file.filename.endswith(OF_EXPOSURES))
    return {
        *((of_obsids.get(obsid, ""), names.observation_of(name)) for obsid, name in first_parts),
        *((names.stage_3_candidate(name), names.observation_of(name)) for name in made),
    }
