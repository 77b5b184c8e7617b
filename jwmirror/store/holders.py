"""Holders of leases: which process it is, and whether it lives, told without any date."""

import os
import re
import socket
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Self
from uuid import uuid4

OUTERMOST = "pid--4026531836-"  # the space of pids that Linux starts with: no container's


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One taking of a lease: the process, as far as it can be told whether it lives."""

    host: str
    machine: str  # the host's id for good; empty where it has none
    boot: str  # the id of this start of the machine
    space: str  # pids of one space can be compared
    pid: int
    started: str  # clock ticks after the start of the machine: no date
    nonce: str = field(default_factory=lambda: uuid4().hex[:12])

    @classmethod
    def here(cls) -> Self:
        """This process, about to take a lease."""
        pid = os.getpid()
        return cls(**_place(), pid=pid, started=_started(pid) or "")

    @property
    def name(self) -> str:
        """The name of the lease's file while this holder has it."""
        return "~".join(str(value) for value in asdict(self).values())

    @classmethod
    def of(cls, name: str) -> Self | None:
        """The holder that a file's name tells; None if it tells none."""
        values = name.split("~")
        if len(values) != 7 or not values[4].isdigit():
            return None
        named = dict(zip(cls.__dataclass_fields__, values, strict=True))
        return cls(**named | {"pid": int(values[4])})

    def lives(self) -> bool | None:
        """Whether the process lives; None if that cannot be told from here."""
        here = _place()
        if not self.boot or (self.host, self.machine) != (here["host"], here["machine"]):
            return None
        if self.boot != here["boot"]:  # started again since; or images with equal ids elsewhere
            is_machine = self.machine and self.space == here["space"] == OUTERMOST
            return False if is_machine else None
        if self.space != here["space"]:
            return None
        return _is_process(self.pid, self.started)


@cache
def _place() -> dict[str, str]:
    """What tells this machine, its start and its space of pids from others."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    told = {
        "host": socket.gethostname(),
        "machine": _first_line("/etc/machine-id"),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "space": space,
    }
    return {name: re.sub(r"[^A-Za-z0-9.-]", "-", value)[:64] for name, value in told.items()}


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _is_process(pid: int, started: str) -> bool:
    """Whether that very process runs; True if there is one of that pid, and no more can be told."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _started(pid)
    return found is None or found == started


def _started(pid: int) -> str | None:
    """When a process started, in ticks after the machine did; empty if dead, None if unknown."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    state, *fields = told.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
