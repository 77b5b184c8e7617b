"""A client of a CRDS server's JSON-RPC.

The crds package is not imported: it fixes its server and cache at import, and a process that syncs
must be able to calibrate offline afterwards.
"""

import base64
import itertools
import json
import re
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from urllib3.exceptions import HTTPError

from jwmirror.core.errors import ReferencesError, as_typed, failures_as
from jwmirror.core.jsonio import MAX_VALUES
from jwmirror.core.model.run import FetchBeat
from jwmirror.core.names import INSTRUMENTS, MAPPINGS, OBSERVATORY, is_safe
from jwmirror.net.bounds import BoundsError, JsonBudget, unzipped
from jwmirror.net.http import LARGEST_ANSWER, HttpClient, Timeouts, base_url, error_words
from jwmirror.net.web_pages import page_title

FIELDS = (  # of a file; without `state` the server raises KeyError
    "sha1sum",
    "size",
    "state",
    "rejected",
    "blacklisted",
)
BATCH = 2000  # files per query
NUMBERED_CONTEXT = re.compile(r"jwst_(\d{4,})\.pmap")
NEAR = 4  # contexts in a message
SYNC_TIMEOUTS = Timeouts(read_s=120)


class UnreachableError(ReferencesError):
    """The CRDS server did not answer at all."""


@dataclass(frozen=True)
class FileFacts:
    """Size and checksum of one file, as CRDS lists it."""

    name: str
    size: int  # bytes
    sha1: str | None
    is_rejected: bool = False  # or blacklisted


class Arrivals:
    """Files and bytes of a sync: how many are expected, and how many are there."""

    def __init__(self) -> None:
        self._expected_files = self._expected = self._files = self._bytes = self._finished = 0
        self._since: float | None = None  # monotonic: the first download

    def expect(self, files: int, size: int) -> None:
        """Count what is to be fetched from now on, in bytes."""
        self._expected_files += files
        self._expected += size
        self._since = self._since or time.monotonic()

    def add(self, count: int) -> None:
        """Count bytes that arrived, or, below zero, that were discarded."""
        self._bytes += count

    def add_file(self, size: int) -> None:
        """Count a file that is there, fetched or not."""
        self._files += 1
        self._finished += size
        self._bytes = self._finished

    def beat(self) -> FetchBeat:
        """Return the counts, with the rate since the first download."""
        passed = time.monotonic() - self._since if self._since else 0.0
        return FetchBeat(
            files=self._files,
            bytes=self._bytes,
            rate=self._bytes / passed if passed else 0.0,
            expected_files=self._expected_files,
            expected=self._expected,
        )


class CrdsClient:
    """Queries to one CRDS server; ReferencesError where there is no valid answer."""

    def __init__(
        self, url: str, timeouts: Timeouts = SYNC_TIMEOUTS, arrivals: Arrivals | None = None
    ):
        self.url = base_url(url)
        self.arrivals = arrivals or Arrivals()
        self.http = HttpClient(1, timeouts)
        self._serial = itertools.count(1)
        self._listed: dict[str, FileFacts | None] = {}  # what was asked; None: CRDS lacks it
        self.unreachable = ""  # why the server is not asked again, if it did not answer once

    def call(self, method: str, *parameters: object) -> Any:
        """Return the result of a remote procedure, decoded from JSON.

        Raises:
            UnreachableError: the server does not answer, or did not answer an earlier query.
        """
        if self.unreachable:
            raise self._error(method, self.unreachable, UnreachableError)
        serial = f"jwmirror-{next(self._serial)}"
        query = {"jsonrpc": "1.0", "method": method, "params": parameters, "id": serial}
        try:
            response = self.http.post(
                f"{self.url}/json/{method}/{serial}/", json.dumps(query).encode()
            )
            if title := page_title(response.status, response.data):
                raise HTTPError(f"CRDS is in maintenance: a web page came ({title})")
            answer = _parsed([response.data])
            error, result = answer["error"], _unzipped(answer["result"])
        except HTTPError as err:
            self.unreachable = str(error_words(err))
            raise self._error(method, self.unreachable, UnreachableError) from err
        except Exception as err:  # base64, zlib and json raise many kinds for a damaged answer
            found = f"expected an answer in JSON-RPC, got status {response.status} without one"
            found = str(err.strerror) if isinstance(err, BoundsError) else found
            raise self._error(method, found) from err
        if error:
            raise self._error(method, error.get("message") if isinstance(error, dict) else error)
        return result

    @cached_property
    def info(self) -> dict[str, Any]:
        """The server's description of itself: URLs, contexts, invalid files."""
        info: dict[str, Any] = self.call("get_server_info")
        with self._misfits("get_server_info"):
            msgspec.convert(info, _ServerInfo)
        if info.get("observatory") != OBSERVATORY:
            raise ReferencesError(
                f"CRDS at {self.url}: expected the server of {OBSERVATORY}, found that of "
                f"{info.get('observatory')}; correct references.url in the config."
            )
        return info

    def facts(self, filenames: Iterable[str]) -> dict[str, FileFacts]:
        """Return size and sha1 by file name; ReferencesError names files that CRDS lacks."""
        filenames = sorted(filenames)
        listed = self.listed(filenames)
        unknown = [name for name in filenames if name not in listed]
        if unknown:
            raise ReferencesError(
                f"CRDS at {self.url}: expected to know every file of a context, does not know "
                f"{', '.join(unknown[:5])}; check references.url in the config."
            )
        return listed

    def listed(self, filenames: Iterable[str]) -> dict[str, FileFacts]:
        """Return size and sha1 of those files that CRDS knows; each file is asked about once."""
        filenames = sorted(filenames)
        new = [name for name in filenames if name not in self._listed]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            answers = self.call("get_file_info_map", OBSERVATORY, batch, FIELDS)
            with self._misfits("get_file_info_map"):
                self._listed |= {name: _facts(name, answers.get(name)) for name in batch}
        return {name: facts for name in filenames if (facts := self._listed[name])}

    def url_of(self, filename: str) -> str:
        """Return the URL of a mapping or a reference."""
        kind = "mapping_url" if filename.endswith(MAPPINGS) else "reference_url"
        with self._misfits("get_server_info"):
            urls = self.info[kind]
            return f"{urls.get('unchecked', urls)[OBSERVATORY].rstrip('/')}/{filename}"

    def instrument_of(self, filename: str, context: str) -> str:
        """Return the instrument of a reference: from its name, or else from the server.

        What the server answers may be anything; `cache_path` takes known instruments only.
        """
        parts = filename.lower().split("_")
        if len(parts) > 2 and parts[1] in INSTRUMENTS:
            return parts[1]
        answer = self.call("get_file_info", context, filename)
        return str(answer.get("instrument") if isinstance(answer, dict) else answer).lower()

    def mappings_of(self, context: str) -> tuple[str, ...]:
        """Return the names of all mappings of a context, sorted."""
        try:
            names = self.call("get_mapping_names", context)
        except UnreachableError:
            raise
        except ReferencesError as err:
            if near := self._contexts_near(context):
                raise ReferencesError(
                    f"expected a context that CRDS at {self.url} has, found {context}; the nearest "
                    f"of its contexts: {', '.join(near)}; correct references.context in the "
                    "config, or `context` of the recipe."
                ) from err
            raise
        if not isinstance(names, list) or not all(map(_is_mapping, names)):
            raise self._error(
                "get_mapping_names", f"expected names of mappings, got {names!r:.200}"
            )
        return tuple(sorted(names))

    def _contexts_near(self, context: str) -> list[str]:
        """Return the contexts whose numbers are nearest to that of one that CRDS does not have.

        Empty if CRDS offers it, or does not say what it offers.
        """
        listed: Any = []
        with suppress(ReferencesError):
            listed = self.call("list_mappings", OBSERVATORY, "*.pmap")
        names = listed if isinstance(listed, list) else []
        numbers = {n: int(m[1]) for n in names if (m := NUMBERED_CONTEXT.fullmatch(str(n)))}
        wanted = NUMBERED_CONTEXT.fullmatch(context)
        if wanted is None or context in numbers:
            return []
        number = int(wanted[1])
        return sorted(sorted(numbers, key=lambda name: abs(numbers[name] - number))[:NEAR])

    def _misfits(self, method: str) -> AbstractContextManager[None]:
        """Convert any failure to read an answer to ReferencesError."""
        return failures_as(
            lambda why: self._error(method, f"the answer is of another form ({why})")
        )

    def _error(
        self, method: str, why: object, kind: type[ReferencesError] = ReferencesError
    ) -> ReferencesError:
        return kind(
            f"CRDS at {self.url}, query {method}: {why!s:.400}; nothing was changed; check "
            f"references.url in the config and the network, which {as_typed('doctor')} tries, and "
            "run again."
        )


class _ServerInfo(msgspec.Struct):
    """The parts of a server's description that are used; it has many more."""

    bad_files_list: tuple[str, ...] = ()


def _parsed(pieces: Iterable[bytes]) -> Any:
    """Return the value of JSON text of bounded size."""
    return json.loads(JsonBudget(LARGEST_ANSWER, MAX_VALUES).whole(pieces))


def _unzipped(result: Any) -> Any:
    """Return a result, decompressed where the server compressed it (crds_encoded 1.0)."""
    if isinstance(result, dict) and "crds_payload" in result:
        return _parsed(unzipped(base64.b64decode(result["crds_payload"])))
    return result


def _is_mapping(name: object) -> bool:
    return isinstance(name, str) and is_safe(name) and name.endswith(MAPPINGS)


def _facts(name: str, answer: Any) -> FileFacts | None:
    """Return an answer of get_file_info_map as a record; None where it is the text NOT FOUND."""
    if not isinstance(answer, dict):
        return None
    sha1 = str(answer.get("sha1sum", "")).lower()  # may be "none"
    is_known = re.fullmatch(r"[0-9a-f]{40}", sha1)
    marks = (str(answer.get(mark, "")).lower() for mark in ("rejected", "blacklisted"))
    return FileFacts(name, int(answer["size"]), sha1 if is_known else None, "true" in marks)
