"""Bytes over TLS are read as they arrive: many records at once, and all those before an error."""

import fcntl
import io
import os
import shutil
import socket
import ssl
import struct
import subprocess
import termios
import threading
import time

import pytest

from jwmirror.net.bounds import _ArrivedRecords

RECORD = 16_384  # bytes, the most in one record of TLS
ROOM = 1 << 18  # bytes, as large as a piece of a body

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """The TLS settings of a server and of a client that trusts it."""
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = subprocess.run([*words.split(), *names, "-keyout", "-"], check=True, capture_output=True)
    path.write_bytes(made.stdout)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


@pytest.fixture
def ends(contexts):
    """Both ends of a TLS connection, and the client's as a file."""
    server, client = contexts
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname(), timeout=10)
        far, _ = listening.accept()
    accepted: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: accepted.append(server.wrap_socket(far, server_side=True))
    )
    thread.start()
    near = client.wrap_socket(near, server_hostname="localhost")
    thread.join()
    file = _ArrivedRecords(near.makefile("rb", buffering=0), near)
    yield accepted[0], near, file
    file.close()
    near.close()
    accepted[0].close()


def send(far: ssl.SSLSocket, near: ssl.SSLSocket, size: int) -> None:
    """Send bytes, and wait until they have arrived."""
    far.sendall(bytes(size))
    there, deadline = 0, time.monotonic() + 10
    while there < size and time.monotonic() < deadline:
        (there,) = struct.unpack("i", fcntl.ioctl(near, termios.FIONREAD, bytes(4)))


def read(file: io.RawIOBase, room: int = ROOM) -> int:
    """Return how many bytes one read gives."""
    return file.readinto(bytearray(room))


def test_records_that_have_arrived_are_read_at_once(ends):
    """And the read does not wait for more, but for the first one."""
    far, near, file = ends
    send(far, near, 5 * RECORD)

    assert read(file) == 5 * RECORD
    assert near.gettimeout() == 10

    threading.Timer(0.1, far.sendall, [b"later"]).start()
    assert read(file) == len(b"later")


def test_no_more_is_read_than_asked_for(ends):
    """The rest of a record is there for the next read."""
    far, near, file = ends
    send(far, near, 5 * RECORD)

    assert read(file, 2 * RECORD + 1) == 2 * RECORD + 1
    assert read(file) == 3 * RECORD - 1


def test_silence_ends_with_the_timeout(ends):
    """Of the socket, after bytes as before."""
    far, near, file = ends
    near.settimeout(0.1)
    send(far, near, 2 * RECORD)

    assert read(file) == 2 * RECORD
    with pytest.raises(TimeoutError):
        read(file)


def test_bytes_before_a_damaged_record_are_read_and_the_damage_is_no_end(ends):
    """Without a Content-Length, an end would make the file whole."""
    far, near, file = ends
    send(far, near, 3 * RECORD)
    os.write(far.fileno(), b"no record of TLS")

    assert read(file) == 3 * RECORD
    with pytest.raises(ssl.SSLError):
        read(file)


def test_an_end_is_an_end(ends):
    """After the last bytes, a read gives none."""
    far, near, file = ends
    send(far, near, RECORD)
    far.shutdown(socket.SHUT_WR)

    assert read(file) == RECORD
    assert read(file) == 0
