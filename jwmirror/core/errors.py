"""Errors, in families by whose fault they are; leaves carry data and say the next step."""

import difflib
from collections.abc import Collection, Iterable

MOST = 40  # names that are listed where one is near


class JwmirrorError(Exception):
    """Any error that jwmirror raises on purpose; its text is meant for the user as it stands."""


class ConfigError(JwmirrorError):
    """The user's config asks for something that cannot be; `mistakes` holds one line each."""

    def __init__(self, mistakes: list[str]):
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class ArchiveError(JwmirrorError):
    """MAST could not be asked, or what it answered cannot be believed."""


class RejectedError(ArchiveError):
    """A downloaded body is not what was announced; it was never stored under its name."""

    def __init__(self, filename: str, what: str, expected: object, found: object):
        self.filename, self.what, self.expected, self.found = filename, what, expected, found
        super().__init__(
            f"{what} of {filename}: expected {expected}, got {found}; "
            "the file was moved to quarantine/; it will be fetched again by the next run."
        )


class WithheldError(ArchiveError):
    """MAST holds the product back (HTTP 401 or 403): exclusive access, or a token that died."""

    def __init__(
        self, filename: str, status: int, release: str | None = None, has_token: bool = False
    ):
        self.filename, self.status, self.release = filename, status, release
        until = f"exclusive access until {release}" if release else "its release date is not known"
        step = (
            "the token that was shown has died, or does not cover it: renew it"
            if has_token
            else "set a token that covers it in the environment (archive.token_env in the config)"
        )
        super().__init__(
            f"{filename}: MAST answered {status}; {until}; {step}, or wait for the release; "
            "it will be asked for again by the next run."
        )


class ReferencesError(JwmirrorError):
    """CRDS could not be asked, or a reference file is not what its context says."""


class StoreError(JwmirrorError):
    """The mirror on disk cannot do what was asked, or is not what it says it is."""


class HeldError(StoreError):
    """Another process has the lease that was wanted; nothing was changed."""

    def __init__(
        self, mirror: str, purpose: str, pid: int, host: str, since: str, unsure: str = ""
    ):
        self.purpose, self.pid, self.host, self.since = purpose, pid, host, since
        super().__init__(
            f"mirror {mirror}: {purpose} (process {pid} on {host}, since {since}) is at work on "
            f"it{unsure}; nothing was changed; run again when it has ended; "
            "`snakemake --config wait=True` waits for it."
        )


class CalibrationError(JwmirrorError):
    """One exposure or association could not be calibrated; the others go on."""


def suggest(name: object, allowed: Iterable[object], most: int = 1) -> list[str]:
    """Return the allowed names most like a name, the nearest first. Case does not matter."""
    by_lower = {str(other).lower(): str(other) for other in allowed}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=most)
    return [by_lower[lower] for lower in near]


def unknown(kind: str, name: object, allowed: Collection[object]) -> str:
    """Return words for a name that does not exist: the nearest one, and those that are allowed."""
    if not allowed:
        return f"unknown {kind} {name!r}; there is none"
    names = list(dict.fromkeys(map(str, allowed)))
    if name not in allowed and name in names:  # '1' for 1
        return f"unknown {kind} {name!r}; write it without quotes"
    near = suggest(name, names)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = f"allowed are {', '.join(names)}" if len(names) <= MOST or not near else ""
    return f"unknown {kind} {name!r}; {hint}{listed}".rstrip()
