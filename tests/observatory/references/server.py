"""A reference server on loopback that the unmodified crds client syncs from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One request the server got: an RPC method with its parameters, or a file's name."""

    what: str  # the RPC method (get_server_info...), or "file"
    parameters: tuple  # of the method; of a file: its name


class ReferenceServer:
    """Offers the mappings and references under a CRDS root at `url` (http://localhost:PORT).

    A context manager; `start()` and `stop()` do the same by hand. `latest` and `build` are the
    contexts it announces: at first the newest pmap; set them at any time.
    """

    def __init__(self, crds_root: Path, port: int = 0):
        self.crds_root = crds_root
        self.latest = self.build = ""
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """Value for CRDS_SERVER_URL."""
        raise NotImplementedError

    def start(self) -> "ReferenceServer":
        """Begin to answer."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop to answer, and free the port."""
        raise NotImplementedError

    def corrupt(self, name: str, times: int | None = None) -> None:
        """Serve wrong bytes of the right length for a file, the next `times` times (None: always)."""
        raise NotImplementedError

    def slow(self, name: str, seconds: float) -> None:
        """Let a file's body wait for some seconds."""
        raise NotImplementedError

    def heal(self) -> None:
        """Forget all faults."""
        raise NotImplementedError
