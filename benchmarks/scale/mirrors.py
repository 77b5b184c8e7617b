"""Mirrors of one program with sparse objects, and a MAST that lists it."""

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import yaml

from benchmarks import poll as program
from benchmarks.queries import Server, in_new_process, large_program, mast, started
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Entry, Receipt, Version, write
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.runs import order_group
from jwmirror_simulator.mast.toy_files import toy_fits

PER_OBSERVATION = 50  # products of one of CAOM's observations
CHANGED = 10  # products that are reprocessed at a time


@dataclass(frozen=True, kw_only=True)
class SparseMirror:
    """A mirror whose config selects all of the program, and the server of that program."""

    folder: Path
    products: int
    server: Connection

    @property
    def mirror(self) -> Path:
        """The folder of the mirror."""
        return self.folder / "mirror"

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "config.yaml"

    def reprocess(self, turn: int) -> None:
        """Give CHANGED products, which are spread over the program, new bytes at MAST."""
        names = [name for name, _ in zip(program.filenames(), range(self.products), strict=False)]
        names = [name for name in names if name.endswith(program.HIGHEST)]
        some = names[turn :: len(names) // CHANGED][:CHANGED]
        assert len(some) == CHANGED
        with tempfile.TemporaryDirectory() as folder:
            files = {name: toy_fits(Path(folder), name, seed=turn) for name in some}
            self.server.send({name: file.read_bytes() for name, file in files.items()})
        self.server.recv()

    def disk(self) -> tuple[int, int]:
        """Return the number of files and folders of the mirror, and the bytes of its records."""
        inodes, size = 0, 0
        for folder, _, files in os.walk(self.mirror):
            inodes += 1 + len(files)
            if not Path(folder).is_relative_to(self.mirror / "objects"):
                size += sum(os.lstat(f"{folder}/{name}").st_size for name in files)
        return inodes, size


@contextmanager
def sparse_mirror(products: int) -> Iterator[SparseMirror]:
    """Make a mirror that has all products of the program, and serve the program."""
    groups = max(1, products // PER_OBSERVATION)
    with tempfile.TemporaryDirectory() as folder, mast(serve, products, groups) as (url, server):
        made = SparseMirror(folder=Path(folder), products=products, server=server)
        selection = program.SELECTION
        chosen = {
            "program": selection.program,
            "instruments": list(selection.instruments or ()),
            "products": list(selection.products or ()),
        }
        config = {"mirror": str(made.mirror), "archive": {"url": url}, "programs": [chosen]}
        made.config.write_text(yaml.safe_dump(config))
        in_new_process(publish_all, made.mirror, products)
        yield made


def serve(connection: Connection, products: int, groups: int) -> None:
    """Serve the program without any pause; give files new bytes when these come."""
    server = started(Server(large_program(products, groups), pause_s=0), connection)
    while contents := connection.recv():
        server.reprocess(contents)
        connection.send(True)


def publish_all(mirror: Path, products: int) -> None:
    """Publish a mirror with all products, each a sparse file, and with receipts of its fetches."""
    mirror.mkdir()
    mark_mirror(mirror)
    objects, entries = Objects(mirror), list[Entry]()
    versions: dict[str, list[Version]] = defaultdict(list)
    for entry in program.held(*program.pages(products)):
        sha256 = hashlib.sha256(entry.path.encode()).hexdigest()
        entries.append(replace(entry, sha256=sha256))
        objects.path(sha256).parent.mkdir(parents=True, exist_ok=True)
        with objects.path(sha256).open("wb") as file:
            os.truncate(file.fileno(), entry.size)
        objects.path(sha256).chmod(0o444)
        version = Version(
            product=entry.upstream,
            sha256=sha256,
            size=entry.size,
            md5=sha256[:32],
            etag=entry.upstream.validator or "",
        )
        versions[order_group(entry.upstream)].append(version)
    for group, some in versions.items():
        receipt = Receipt(versions=tuple(some), downloaded=sum(version.size for version in some))
        write(mirror / "receipts" / "fetch" / f"{group}.0123456789abcdef.json", receipt)
    Generations(mirror).publish(entries, "first", {})
