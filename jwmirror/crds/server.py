"""What a CRDS server says, over its JSON-RPC; and where a CRDS cache keeps things.

The crds package itself is not imported: it fixes its server and cache when it is, and a process
that syncs must still be able to calibrate offline afterwards.
"""

import base64
import gzip
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ReferencesError
from jwmirror.core.files import write_bytes
from jwmirror.core.names import MAPPINGS, OBSERVATORY
from jwmirror.net.http import HttpClient, Timeouts, base_url, error_words

INSTRUMENTS = ("nircam", "nirspec", "niriss", "miri", "fgs")
CONTEXT = re.compile(r"jwst_\d{4,}\.pmap")
FIELDS = ("sha1sum", "size", "state")  # of a file, that the server tells
BATCH = 500  # files asked about at once
BULKY = ("download_metadata", "mappings", "context_history")  # megabytes, of no use offline


@dataclass(frozen=True)
class FileFacts:
    """What CRDS says of one file."""

    name: str
    size: int  # bytes
    sha1: str | None


class CrdsClient:
    """A CRDS server; every answer it cannot give is a ReferencesError."""

    def __init__(self, url: str, timeouts: Timeouts):
        self.url = base_url(url)
        self.client = HttpClient(1, timeouts)
        self._serial = itertools.count(1)

    def call(self, method: str, *parameters: object) -> Any:
        """The result of a remote procedure."""
        serial = f"jwmirror-{next(self._serial)}"
        question = {"jsonrpc": "1.0", "method": method, "params": parameters, "id": serial}
        try:
            response = self.client.post(
                f"{self.url}/json/{method}/{serial}/", json.dumps(question).encode()
            )
            answer = json.loads(response.data)
            error, result = answer["error"], answer["result"]
        except HTTPError as err:
            raise self._failed(method, error_words(err)) from err
        except (ValueError, KeyError, TypeError) as err:
            said = f"status {response.status}, and no answer in JSON-RPC"
            raise self._failed(method, said) from err
        if error:
            raise self._failed(method, error.get("message") if isinstance(error, dict) else error)
        return _unpacked(result)

    @cached_property
    def info(self) -> dict[str, Any]:
        """The server's description of itself."""
        info = self.call("get_server_info")
        if info.get("observatory") != OBSERVATORY:
            raise ReferencesError(
                f"CRDS at {self.url}: expected the server of {OBSERVATORY}, found that of "
                f"{info.get('observatory')}; correct references.url in the config."
            )
        return info

    def facts(self, filenames: Iterable[str]) -> dict[str, FileFacts]:
        """Size and sha1 of files by name; ReferencesError names those that CRDS does not know."""
        wanted, told = sorted(filenames), {}
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            told |= self.call("get_file_info_map", OBSERVATORY, batch, FIELDS)
        unknown = [name for name in wanted if not isinstance(told.get(name), dict)]
        if unknown:
            raise ReferencesError(
                f"CRDS at {self.url}: knows nothing of {', '.join(unknown[:5])}; expected every "
                "file of a context to be known; check references.url in the config."
            )
        return {name: _facts(name, told[name]) for name in wanted}

    def url_of(self, filename: str) -> str:
        """Where a mapping or a reference is to be had."""
        kind = "mapping_url" if filename.endswith(MAPPINGS) else "reference_url"
        urls = self.info[kind]
        return f"{urls.get('unchecked', urls)[OBSERVATORY].rstrip('/')}/{filename}"

    def instrument_of(self, filename: str, context: str) -> str:
        """Which instrument a reference is for: its name says so, or else the server."""
        parts = filename.lower().split("_")
        if len(parts) > 2 and parts[1] in INSTRUMENTS:
            return parts[1]
        return str(self.call("get_file_info", context, filename)["instrument"]).lower()

    def _failed(self, method: str, why: object) -> ReferencesError:
        return ReferencesError(
            f"CRDS at {self.url}, asked for {method}: {why}; nothing was changed; check "
            "references.url in the config and the network, and run again."
        )


def _unpacked(result: Any) -> Any:
    """A result, unzipped where the server zipped it."""
    if isinstance(result, dict) and "crds_payload" in result:
        return json.loads(gzip.decompress(base64.b64decode(result["crds_payload"])))
    return result


def _facts(name: str, told: dict[str, str]) -> FileFacts:
    sha1 = str(told.get("sha1sum", "")).lower()
    return FileFacts(
        name=name,
        size=int(told["size"]),
        sha1=sha1 if re.fullmatch(r"[0-9a-f]{40}", sha1) else None,
    )


# ---- the cache on disk -----------------------------------------------------------------------


def config_folder(cache: Path) -> Path:
    """Where a cache says what it is."""
    return cache / "config" / OBSERVATORY


def write_config(cache: Path, info: dict[str, Any]) -> None:
    """Let a cache know what crds needs of the server's description when it is offline."""
    kept = {key: value for key, value in info.items() if key not in BULKY}
    kept |= {"status": "cache", "connected": False}
    kept.setdefault("operational_context", kept.get("latest_context"))
    for name, text in (
        ("server_config", repr(dict(sorted(kept.items())))),  # crds reads a Python literal
        ("ref_cache_subdir_mode", "instrument"),
        ("bad_files.txt", "\n".join(info.get("bad_files_list", ()))),
    ):
        write_bytes(config_folder(cache) / name, text.encode())


def has_config(cache: Path) -> bool:
    """Whether a cache can be used offline."""
    return all(
        (config_folder(cache) / name).exists()
        for name in ("server_config", "ref_cache_subdir_mode")
    )
