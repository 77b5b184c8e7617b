"""A private nginx on loopback that offers the files of a folder under MAST's download path."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """
{user}pid {home}/pid; error_log {home}/errors; daemon off; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home};
  map $arg_uri $name {{ "~JWST(/|%2F)product(/|%2F)(?<file>[^/%]+)$" $file; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    root {folder};
    location = /api/v0.1/Download/file {{ try_files /$name =404; }}
  }}
}}
"""
TLS = (
    " ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.3"
)
TRUSTED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # jwmirror and astroquery; curl


@contextmanager
def nginx(folder: Path, home: Path, certificate: Path | None = None) -> Iterator[str]:
    """Serve `folder` with nginx, whose own files are in `home`; yield the address.

    With a certificate (`make_certificate`), https only.
    """
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    config = home / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""  # else it could not read the folder
    tls = TLS.format(certificate=certificate) if certificate else ""
    config.write_text(CONFIG.format(home=home, folder=folder, port=port, user=user, tls=tls))
    errors = home / "errors"
    process = subprocess.Popen([program, "-e", str(errors), "-c", str(config)])
    try:
        _await(port, process)
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def trusted_certificate(folder: Path) -> Iterator[Path]:
    """Yield a file with a new certificate of 127.0.0.1 and its key, which all programs trust.

    The environment names it until the end.
    """
    path, before = folder / "certificate.pem", {name: os.environ.get(name) for name in TRUSTED}
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(path)]
    subprocess.run([*words.split(), *names, *files], check=True, capture_output=True)
    with open(path, "a") as file:
        file.write((folder / "key.pem").read_text())
    os.environ.update(dict.fromkeys(TRUSTED, str(path)))
    try:
        yield path
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _await(port: int, process: subprocess.Popen) -> None:
    """Wait until the server answers; RuntimeError if it never does."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("nginx did not start; is it installed (apt-get install nginx)?")
