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
    listen 127.0.0.1:{port};
    root {folder};
    location = /api/v0.1/Download/file {{ try_files /$name =404; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, home: Path) -> Iterator[str]:
    """Serve `folder` with nginx, whose own files are in `home`; yield the address."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    config = home / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""  # else it could not read the folder
    config.write_text(CONFIG.format(home=home, folder=folder, port=port, user=user))
    errors = home / "errors"
    process = subprocess.Popen([program, "-e", str(errors), "-c", str(config)])
    try:
        _await(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


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
