"""The token: taken out of the environment, passed to jobs, sent where others cannot read it."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from jwmirror.archive.tables.session import BoundedAdapter
from jwmirror.config.load import read_content
from jwmirror.core.errors import ArchiveError, ConfigError
from jwmirror.core.model.parameters import Remarks
from jwmirror.net.http import HttpClient, Timeouts, check_token_url
from jwmirror.net.token_socket import request_token, serve_token
from jwmirror.pipeline.child_environment import child_environment, take_token
from jwmirror.services.configure import checked_config
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.services.run.session import RUN_ID, RunSession

TOKEN = "0123456789abcdef-secret"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment with a token, and without proxies."""
    monkeypatch.setenv("MAST_API_TOKEN", TOKEN)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def config_file(tmp_path) -> Path:
    """The smallest config."""
    path = tmp_path / "config.yaml"
    path.write_text("programs: [1345]\n")
    return path


# ---- out of the environment ----------------------------------------------------------------------


def test_a_config_takes_the_token_out_of_the_environment(config_file):
    """The record has it, but does not show it; programs that are started later do not get it."""
    config = load_checked_config(config_file)

    child = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert config.token == TOKEN
    assert TOKEN not in repr(config) and TOKEN not in child


def test_the_config_names_the_variable_of_the_token(config_file, monkeypatch):
    """The variable of that name is taken, and no other."""
    monkeypatch.setenv("OTHER", "another-token")
    config_file.write_text("programs: [1345]\narchive: {token_env: OTHER}\n")

    config = load_checked_config(config_file)

    assert config.token == "another-token" and "OTHER" not in os.environ
    assert os.environ["MAST_API_TOKEN"] == TOKEN


@pytest.mark.parametrize(
    "text", ["[]", "archive: 3", "archive: {token_env: [1]}", "archive: {token_env: 'a=b'}", ""]
)
def test_the_token_is_taken_before_a_config_is_found_to_be_wrong(config_file, text):
    """Whatever the config is: the checks of its recipes may start other Pythons."""
    config_file.write_text(f"{text}\n")

    with pytest.raises(ConfigError):
        load_checked_config(config_file)

    assert "MAST_API_TOKEN" not in os.environ


def test_the_token_is_taken_before_parameters_are_checked(config_file, monkeypatch):
    """The Python of an environment is asked for mistakes, and inherits the variables."""
    seen = []

    def remarks(parameters: object, place: str, is_exported: bool) -> Remarks:
        seen.append("MAST_API_TOKEN" in os.environ)
        return Remarks()

    resolver = SimpleNamespace(remarks=remarks)
    monkeypatch.setattr(checked_config, "resolver_of", lambda python: resolver)
    deep = "deep: {stages: [1], parameters: {detector1: {jump: {skip: true}}}}"
    config_file.write_text(f"programs: [1345]\nrecipes: {{{deep}}}\n")

    config = load_checked_config(config_file)

    assert config.token == TOKEN and set(seen) == {False}


def test_a_token_in_the_place_of_its_variable_is_refused(config_file):
    """Configs are published with each generation; MAST's tokens are 32 hexadecimal digits."""
    config_file.write_text(f"programs: [1345]\narchive: {{token_env: {'abcdef01' * 4}}}\n")

    with pytest.raises(ConfigError, match="not a token"):
        load_checked_config(config_file)


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_variable_is_no_token(monkeypatch, value):
    """As if it were not set."""
    monkeypatch.setenv("MAST_API_TOKEN", value)

    assert take_token("MAST_API_TOKEN") is None


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "caf\u00e9", "nul\x7f", "\udc80"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_quoted(monkeypatch, value):
    """It would break the header of a request; libraries quote the header in their error."""
    monkeypatch.setenv("MAST_API_TOKEN", value)

    with pytest.raises(ConfigError, match="MAST_API_TOKEN: expected a token") as refused:
        take_token("MAST_API_TOKEN")

    assert value not in str(refused.value)


# ---- to the jobs ---------------------------------------------------------------------------------


def test_a_job_gets_the_token_through_a_private_socket():
    """Many at once; only the user can reach the socket, and no file has the token."""
    path = serve_token(TOKEN)

    with ThreadPoolExecutor(16) as jobs:
        received = list(jobs.map(request_token, [path] * 64))

    folder = Path(path).parent
    assert set(received) == {TOKEN}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [entry.is_socket() for entry in folder.iterdir()] == [True]


def test_without_a_token_there_is_no_socket():
    """Nothing is served, and nothing is requested."""
    assert serve_token(None) is None
    assert request_token(None) is None


def test_the_socket_is_removed_when_the_process_ends():
    """Jobs that are left over from an ended run get an error, and no token."""
    program = "from jwmirror.net.token_socket import serve_token; print(serve_token('x'))"
    command = [sys.executable, "-c", program]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with pytest.raises(ArchiveError, match="run `jwmirror run` again"):
        request_token(path)

    assert not Path(path).parent.exists()


def test_a_temporary_folder_whose_name_is_too_long_for_a_socket_is_not_used(tmp_path, monkeypatch):
    """Schedulers make long ones for their jobs; the socket is in /tmp then."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    path = serve_token(TOKEN)

    assert request_token(path) == TOKEN
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700


def test_a_file_system_without_sockets_ends_the_call_with_a_message(monkeypatch, capsys, tmp_path):
    """Exit code 2, with the variable to change, and no traceback."""

    def bind(self: object, path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr("socket.socket.bind", bind)
    monkeypatch.setenv(RUN_ID, "")  # restored at the end

    with pytest.raises(SystemExit, match="2"):
        RunSession(tmp_path / "mirror", wait=False, token=TOKEN)

    assert "set TMPDIR" in capsys.readouterr().err


# ---- over the network ----------------------------------------------------------------------------

READABLE = [
    "http://mast.stsci.edu",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
    "http://127.0.0.1@example.org",
    "http://example.org\\@127.0.0.1",
    "http://example.org#@localhost",
    "http://2130706433",
]
PRIVATE = [
    "https://mast.stsci.edu",
    "HTTPS://mast.stsci.edu",
    "http://127.0.0.1:80/x",
    "http://127.8.9.1",
    "http://localhost:8000",
    "http://[::1]:8000",
]


@pytest.mark.parametrize("url", READABLE)
def test_a_token_is_not_sent_where_others_can_read_it(url):
    """Not even if a client is asked to."""
    client = HttpClient(1, Timeouts(attempts=1, connect_s=0.1), TOKEN)

    with pytest.raises(ConfigError, match="readable on the network"):
        client.open(url, show_token=True)


@pytest.mark.parametrize("url", PRIVATE)
def test_a_token_may_go_over_https_and_inside_the_machine(url):
    """All addresses of the machine itself are inside it."""
    check_token_url(url)


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://mast.example.org/x", True),
        ("http://mast.example.org/x", False),
        ("https://mast.example.org:8443/x", False),
        ("https://example.org/x", False),
        ("https://mast.example.org@example.org/x", False),
    ],
)
def test_astroquery_sends_the_token_to_its_server_only(monkeypatch, url, is_sent):
    """Its cookie has no domain, so that it would go along with any redirect."""
    answer = requests.Response()
    answer.raw = HTTPResponse()
    monkeypatch.setattr(HTTPAdapter, "send", lambda *arguments, **options: answer)
    adapter = BoundedAdapter("https://mast.example.org", Timeouts(), 60)
    cookie = {"Cookie": f"mast_token={TOKEN}"}

    request = requests.Request("GET", url, headers=cookie).prepare()
    adapter.send(request)

    assert ("Cookie" in request.headers) == is_sent


def test_a_proxy_gets_no_token_in_the_clear(monkeypatch):
    """Over https it sees none; over http it would."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example.org:3128")
    check_token_url("https://mast.stsci.edu")

    with pytest.raises(ConfigError, match=r"proxy\.example\.org; add localhost to NO_PROXY"):
        check_token_url("http://localhost:8000")

    monkeypatch.setenv("NO_PROXY", "localhost")
    check_token_url("http://localhost:8000")


def test_a_config_with_a_token_and_plain_http_is_a_mistake(config_file, monkeypatch):
    """Found before anything is requested; without a token it is allowed."""
    config_file.write_text("programs: [1345]\narchive: {url: 'http://mast.example.org'}\n")
    with pytest.raises(ConfigError, match="begins with https://, or unset the token"):
        load_checked_config(config_file)

    monkeypatch.delenv("MAST_API_TOKEN", raising=False)

    assert load_checked_config(config_file).token is None


def test_settings_of_a_command_do_not_change_the_token(config_file):
    """They are about parameters of steps."""
    content = read_content(config_file, ["deep.detector1.jump.skip=true"])

    assert content.value["set"] == ["deep.detector1.jump.skip=true"]


# ---- the path of modules -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", ":", "/one::/two", ":/one:", "/one"])
def test_empty_entries_of_pythonpath_are_left_out(monkeypatch, tmp_path, path):
    """Python would import from the current folder, which others may be able to write to."""
    (tmp_path / "planted.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.chdir(tmp_path)
    found = child_environment()

    program = "import importlib.util as u; print(u.find_spec('planted'))"
    command = [sys.executable, "-P", "-c", program]
    answer = subprocess.run(command, env=found, capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "None"
    assert found["PYTHONPATH"].split(":")[1:] == [each for each in path.split(":") if each]
