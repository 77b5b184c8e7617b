"""The user's files that are inputs: members of associations, shutter configurations.

Like the files that parameters name, they enter a key by content, and are not copied.
"""

from pathlib import Path

from jwmirror.core.errors import CalibrationError, as_typed
from jwmirror.core.files import cached_digest
from jwmirror.core.model.association import OwnFile
from jwmirror.pipeline.headers import crds_header
from jwmirror.pipeline.identity import science_identity


def describe_own_file(path: Path, sha256: str, with_header: bool) -> OwnFile:
    """Return a file of the user with its content, or the reason why it cannot be used.

    A file that does not have this `sha256` any more was written meanwhile: it cannot be used.
    """
    identity = header = refusal = ""
    try:
        identity = science_identity(path)
        header = crds_header(path) if with_header else ""
        if cached_digest(path) != sha256:
            refusal = f"{path} was written while it was read; run again when it is complete"
    except CalibrationError as err:
        refusal = f"{path}: {err}"
    return OwnFile(path=str(path), sha256=sha256, identity=identity, header=header, refusal=refusal)


def unreadable_file(path: Path, error: OSError) -> OwnFile:
    """Return a file of the user that cannot be read, with the reason and a next step."""
    why = (
        f"{path}: {error.strerror}; {as_typed('check')} shows the line of the config that names it"
    )
    return OwnFile(path=str(path), refusal=why)
