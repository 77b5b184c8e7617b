"""The files under a CRDS root, and CRDS's remote procedure calls about them."""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from jwmirror_simulator.crds.closure import MAPPING, mappings_of, references_of

STATE = "operational"
MAPPINGS, REFERENCES = "unchecked_get/mappings/jwst/", "unchecked_get/references/jwst/"


class ReferenceFiles:
    """Names, sizes and checksums of the files under a root; includes files that are added later."""

    def __init__(self, crds_root: Path):
        self._mappings = crds_root / "mappings" / "jwst"
        self._references = crds_root / "references" / "jwst"
        self.bad: list[str] = []  # declared invalid
        self.statements: dict[str, dict[str, str]] = {}  # file -> what CRDS says against its bytes
        self._sums: dict[tuple[Path, int, int, int], str] = {}

    def contexts(self) -> list[str]:
        """Return all pmaps, oldest first."""
        return sorted(path.name for path in self._mappings.glob("*.pmap"))

    def mappings(self) -> list[str]:
        """Return all mappings of all contexts."""
        return sorted(path.name for path in self._mappings.iterdir() if path.suffix in MAPPING)

    def references(self) -> list[str]:
        """Return all references of all contexts."""
        return sorted(path.name for path in self._references.glob("*/*.*"))

    def mappings_of(self, context: str) -> list[str]:
        """Return the mappings of one context."""
        return list(mappings_of(self._mappings, context))

    def references_of(self, context: str) -> list[str]:
        """Return the references of one context."""
        return list(references_of(self._mappings, context))

    def find(self, name: str) -> Path | None:
        """Return the path of a mapping or reference; None without one."""
        is_mapping = Path(name).suffix in MAPPING
        paths = [self._mappings / name] if is_mapping else self._references.glob(f"*/{name}")
        return next((path for path in paths if path.is_file()), None)

    def describe(self, name: str, fields: Sequence[str] | None = None) -> dict[str, str] | str:
        """Return the description of one file, as in get_file_info_map."""
        path = self.find(name)
        if path is None:
            return "NOT FOUND unknown to server"
        _, instrument, *rest = name.split("_")
        known = {
            "name": name,
            "observatory": "jwst",
            "instrument": instrument if rest else "",
            "filekind": rest[0] if len(rest) > 1 else "",
            "type": "mapping" if path.suffix in MAPPING else "reference",
            "state": STATE,
            "size": str(path.stat().st_size),
            "sha1sum": self._sha1(path),
            "blacklisted": "false",
            "rejected": "false",
            **self.statements.get(name, {}),
        }
        return {field: known[field] for field in fields or known}

    def _sha1(self, path: Path) -> str:
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in self._sums:
            self._sums[key] = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
        return self._sums[key]


class RpcMethods:
    """The methods that the server answers, under the names of CRDS's JSON-RPC interface."""

    def __init__(self, files: ReferenceFiles, url: str, contexts: Callable[[], tuple[str, str]]):
        """`contexts` returns the latest and the build context at any time."""
        self._files, self._url, self._contexts = files, url, contexts

    def get_server_info(self) -> dict:
        """Return the addresses, contexts and versions that a client needs first."""
        latest, build = self._contexts()
        metadata = self.get_file_info_map("jwst", None, ["size", "sha1sum"])
        return {
            "observatory": "jwst",
            "server": self._url,
            "status": "server",
            "connected": True,
            "latest_context": latest,
            "operational_context": latest,
            "build_context": build,
            "edit_context": latest,
            "versions_context": latest,
            "context_history": [["2025-01-01 00:00:00", latest, "synthetic"]],
            "mappings": self._files.mappings(),
            "mapping_url": {"jwst": f"{self._url}/{MAPPINGS}"},
            "reference_url": {"jwst": f"{self._url}/{REFERENCES}"},
            "bad_files_list": list(self._files.bad),
            "crds_version": {"str": version("crds")},
            "download_metadata": encode(metadata),
            "force_remote_mode": 0,
            "last_refreshed": "2025-01-01 00:00:00.000000",
            "last_synced": "2025-01-01 00:00:00.000000",
            "max_bestrefs_per_rpc": 1000,
            "max_headers_per_rpc": 1000,
        }

    def get_default_context(self, observatory: str, state: str | None = None) -> str:
        """Return the latest context, or with state "build" the build context."""
        latest, build = self._contexts()
        return build if state == "build" else latest

    def get_build_context(self, observatory: str, version: str) -> str:
        """Return the context of a version of jwst."""
        return self._contexts()[1]

    def get_mapping_names(self, context: str) -> list[str]:
        """Return the mappings of a context."""
        return self._files.mappings_of(context)

    def get_reference_names(self, context: str) -> list[str]:
        """Return the references of a context."""
        return self._files.references_of(context)

    def get_file_info(self, context: str, name: str) -> dict | str:
        """Return the description of one file."""
        return self._files.describe(name)

    def get_file_info_map(
        self, observatory: str, files: Sequence[str] | None, fields: Sequence[str] | None
    ) -> dict:
        """Return the descriptions of files by name; of all files for None."""
        if files is None:
            files = [*self._files.mappings(), *self._files.references()]
        return {name: self._files.describe(name, fields) for name in files}

    def list_mappings(self, observatory: str, pattern: str) -> list[str]:
        """Return all mappings whose names match a glob pattern."""
        return [name for name in self._files.mappings() if Path(name).match(pattern)]

    def list_references(self, observatory: str, pattern: str) -> list[str]:
        """Return all references whose names match a glob pattern."""
        return [name for name in self._files.references() if Path(name).match(pattern)]


def encode(value: object) -> dict[str, str]:
    """Encode a large value as CRDS sends it: JSON, gzip, base64."""
    zipped = gzip.compress(json.dumps(value).encode(), mtime=0)
    return {"crds_encoded": "1.0", "crds_payload": base64.b64encode(zipped).decode()}
