"""Mistakes around servers: addresses, tokens, networks, and what servers answer."""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from jwmirror.config.load import Config
from jwmirror.crds.client import CrdsClient
from jwmirror.net.http import BoundedRetry
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.session import RunSession
from jwmirror_simulator.mast import Archive, faults
from jwmirror_simulator.mast.faults import Fault
from tests.mistakes.folders import config, more
from tests.mistakes.mistake import Mistake, Section
from tests.reliability.page import free_port

PORT = free_port()  # astroquery is set to one address for each process
URL = f"http://127.0.0.1:{PORT}"
TOKEN = "0123456789abcdef" * 2

call = partial(Mistake, code=1)
CONFIG = f"programs: [1345]\narchive: {{url: '{URL}'}}\nrecipes: {{deep: {{}}}}\n"


def served(*others: tuple[str, Fault]) -> Callable[[Path], Callable[[], None]]:
    """Prepare a config for a simulated archive without programs, in which something goes wrong."""

    def prepare(folder: Path) -> Callable[[], None]:
        config(CONFIG)(folder)
        archive = Archive(folder.parent / "archive", PORT)
        for target, fault in others:
            archive.fault(target, fault)
        archive.start()
        return archive.stop

    return impatient(prepare)


def impatient(function):
    """Prepare with a function, and let requests that fail be repeated at once."""

    def prepare(folder: Path) -> Callable[[], None]:
        undo, waits = function(folder), patch.object(BoundedRetry, "_wait", lambda *_: None)
        waits.start()

        def end() -> None:
            waits.stop()
            if undo:
                undo()

        return end

    return prepare


def failing(function: str, error: OSError) -> Callable[[Path], Callable[[], None]]:
    """Prepare a config for servers whose connections end in an error."""

    def prepare(folder: Path) -> Callable[[], None]:
        config(CONFIG)(folder)
        connections = patch(f"urllib3.{function}", side_effect=error)
        connections.start()
        return connections.stop

    return impatient(prepare)


unresolved = failing(
    "util.connection.create_connection", socket.gaierror(-2, "Name or service not known")
)
intercepted = failing(
    "connection.HTTPSConnection.connect",
    ssl.SSLCertVerificationError(
        1, "certificate verify failed: self-signed certificate in certificate chain"
    ),
)


def ask_crds(config: Config, session: RunSession) -> None:
    """Ask CRDS, as a run does."""
    CrdsClient(config.references.url).info()


def query(config: Config, session: RunSession) -> None:
    """Ask MAST, as a run does."""
    query_archive(
        mirror=config.mirror,
        run=session.files.folder,
        url=config.archive_url,
        token_socket=session.token_socket,
        downloads=1,
        selections=config.selections,
        vanish_limit=0.5,
        accept_vanished=(),
        keep_free=0,
    )


SECTION = Section(
    "Servers, tokens and networks",
    (
        call(
            what="MAST cannot be reached before there is a config",
            command=f"jwmirror init 1345 --archive-url {URL}",
            prepare=impatient(lambda folder: None),
            where="127.0.0.1:8080",
            found="Connection refused",
            step="`jwmirror doctor` tries",
        ),
        call(
            what="A program that does not exist",
            command=f"jwmirror init 99999 --archive-url {URL} --config new.yaml",
            prepare=served(),
            where="127.0.0.1:8080",
            found="no JWST program 99999",
            step="correct its number",
        ),
        call(
            what="A run without a network",
            command="jwmirror run",
            prepare=unresolved,
            job=ask_crds,
            where="https://jwst-crds.stsci.edu",
            found="Name or service not known",
            step="`jwmirror doctor` tries",
        ),
        call(
            what="The certificate of another",
            command="jwmirror run",
            prepare=intercepted,
            job=ask_crds,
            where="https://jwst-crds.stsci.edu",
            found="certificate verify failed",
            step="`jwmirror doctor` tries",
        ),
        call(
            what="MAST answers 503",
            command="jwmirror run",
            prepare=served(("*", faults.status(503))),
            job=query,
            where="127.0.0.1",
            found="503",
            step="run again",
        ),
        call(
            what="MAST is in maintenance",
            command="jwmirror run",
            prepare=served(("*", faults.html_page())),
            job=query,
            where="127.0.0.1",
            found="web page",
            step="the next run requests it again",
        ),
        call(
            what="A run of a program that does not exist",
            command="jwmirror run",
            prepare=served(),
            job=query,
            where="1345",
            found="got none",
            step="correct its number in the config",
        ),
        call(
            what="MAST cannot be reached",
            command="jwmirror run",
            prepare=impatient(config(CONFIG)),
            job=query,
            where="127.0.0.1:8080",
            found="Connection refused",
            step="`jwmirror doctor` tries",
        ),
        call(
            what="A token with a line break in it",
            command="jwmirror run",
            prepare=more(""),
            variables={"MAST_API_TOKEN": f"{TOKEN[:16]}\n{TOKEN[16:]}"},
            code=2,
            where="MAST_API_TOKEN",
            found="33",
            step="copy the token again",
        ),
        call(
            what="A token in quotes",
            command="jwmirror run",
            prepare=more(""),
            variables={"MAST_API_TOKEN": f"'{TOKEN}'"},
            code=2,
            where="MAST_API_TOKEN",
            found="quotes",
            step="copy the token again",
        ),
        call(
            what="A token with its scheme",
            command="jwmirror run",
            prepare=more(""),
            variables={"MAST_API_TOKEN": f"Bearer {TOKEN}"},
            code=2,
            where="MAST_API_TOKEN",
            found="Bearer",
            step="copy the token again",
        ),
    ),
)
