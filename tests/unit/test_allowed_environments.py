"""Looking at a config runs nothing that it names, unless the user has allowed it."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from demo.site import ROOT
from jwmirror.config.profiles import check_given_files
from jwmirror.core.errors import CalibrationError
from jwmirror.engine import client
from jwmirror.engine.forkserver import LATE, StageJob
from jwmirror.pipeline.allowed_environments import (
    ALLOWED,
    EnvironmentNotAllowedError,
    allow_environments,
    is_allowed,
)
from jwmirror.pipeline.installed import installed_versions
from jwmirror.planning.resolvers import remote
from tests.setup import records
from tests.setup.command_line import answer, run

MARKER = "was_run"
WRONG = {"detector1": {"jump": {"rejection_treshold": 5.0}}}


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch) -> Path:
    """A user who has allowed nothing yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "jwmirror" / "environments.json"


@pytest.fixture
def environment(tmp_path) -> Path:
    """An environment whose Python leaves a marker in its folder when it is run."""
    return make_environment(tmp_path / "environment", f'exec "{sys.executable}" "$@"')


def make_environment(folder: Path, command: str) -> Path:
    """Make an environment whose Python leaves a marker and then runs a command of the shell."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch '{folder / MARKER}'\n{command}\n")
    python.chmod(0o755)
    return folder


def python_of(folder: Path) -> str:
    """The Python of an environment."""
    return str(folder / "bin" / "python")


def config_with(environment: Path, **recipe: object) -> Path:
    """A config with a recipe that names an environment."""
    path = environment.parent / "config.yaml"
    content = {
        "mirror": str(environment.parent / "mirror"),
        "programs": [{"program": 1345}],
        "environments": {"theirs": str(environment)},
        "recipes": {"old": {"environment": "theirs", "parameters": WRONG, **recipe}},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def resolver(environment: Path) -> remote.RemoteResolver:
    """A resolver in an environment."""
    return remote.RemoteResolver(python_of(environment), Path(), "", {}, Path())


# ---- what is allowed -------------------------------------------------------------------------


def test_check_runs_no_environment_that_is_not_allowed(environment):
    """All else is checked, and a note says how to allow it."""
    config = config_with(environment, filters=["F999X"])

    printed = answer("check", "--config", config, code=2)
    config_with(environment)
    valid = answer("check", "--config", config)

    assert not (environment / MARKER).exists()
    assert "F999X" in str(printed["mistakes"])
    assert "--allow-environments" in str(valid["notes"]) and valid["mistakes"] == []


def test_an_environment_is_allowed_once(environment, own_state):
    """The command records it for all later ones; the record belongs to the user alone."""
    config = config_with(environment)

    printed = run("check", "--config", config, "--allow-environments", code=2)

    assert f"Allowed: {environment}" in printed and "rejection_treshold" in printed
    assert is_allowed(python_of(environment)) and not allow_environments([python_of(environment)])
    assert (own_state.stat().st_mode & 0o777, own_state.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_a_config_with_mistakes_allows_nothing(environment, own_state):
    """Its author, not its user, must correct it first."""
    config = config_with(environment, stages=[7])

    run("check", "--config", config, "--allow-environments", code=2)

    assert not own_state.exists() and not (environment / MARKER).exists()


@pytest.mark.parametrize("changed", ["bin/python", "pyvenv.cfg"])
def test_an_environment_that_changed_must_be_allowed_again(environment, changed):
    """A Python with other bytes, or with another standard library, is another one."""
    allow_environments([python_of(environment)])
    before = is_allowed(python_of(environment))

    (environment / changed).open("a").write("# changed\n")

    assert (before, is_allowed(python_of(environment))) == (True, False)


def test_a_link_to_an_allowed_folder_is_followed(environment, tmp_path):
    """Where it leads is what counts, also when it leads elsewhere later."""
    other = make_environment(tmp_path / "other", "exit")
    link = tmp_path / "link"
    link.symlink_to(environment)
    allow_environments([python_of(link)])
    before = is_allowed(python_of(environment)), is_allowed(python_of(link))

    link.unlink()
    link.symlink_to(other)

    assert (before, is_allowed(python_of(link))) == ((True, True), False)


@pytest.mark.parametrize("place", ["environments.json", "."])
def test_a_record_that_others_can_write_is_not_believed(environment, own_state, place):
    """They could allow what they want."""
    allow_environments([python_of(environment)])

    (own_state.parent / place).chmod(0o777)

    assert not is_allowed(python_of(environment))


def test_the_caller_may_allow_folders_by_a_variable(environment, monkeypatch):
    """Where there is no folder of the user, as in continuous integration."""
    monkeypatch.setenv(ALLOWED, f"/elsewhere:{environment}")

    assert is_allowed(python_of(environment))
    assert not is_allowed(python_of(environment.parent))


def test_the_running_python_is_always_allowed():
    """It is running."""
    assert is_allowed("") and is_allowed(sys.executable)


@pytest.mark.parametrize("door", ["question", "stage", "packages"])
def test_a_link_that_changes_after_the_check_is_not_run(environment, tmp_path, monkeypatch, door):
    """What is started is the folder that was checked, whoever exchanges the link meanwhile."""
    link, started = tmp_path / "link", []
    link.symlink_to(environment)
    allow_environments([python_of(link)])

    def start(command: list[str], **options: object) -> None:
        started.append(command[0])
        raise FileNotFoundError(command[0])

    monkeypatch.setattr("subprocess.Popen", start)
    stage = StageJob(
        derivation=records.derivation(), folder="", base="", log="", timeout_s=1, ramp_mode=""
    )
    with suppress(FileNotFoundError):
        if door == "question":
            _ = resolver(link).engine
        elif door == "stage":
            client.StageClient(tmp_path / "log", python_of(link)).run(stage)
        else:
            installed_versions(python_of(link))

    assert started == [python_of(environment)]


# ---- every way to run one --------------------------------------------------------------------


def test_no_question_no_stage_and_no_list_of_packages_runs_one(environment, tmp_path):
    """The plan, the calibration and the publication each refuse it, also without a check before."""
    stage = StageJob(
        derivation=records.derivation(), folder="", base="", log="", timeout_s=1, ramp_mode=""
    )

    with pytest.raises(EnvironmentNotAllowedError, match="--allow-environments"):
        _ = resolver(environment).engine
    with pytest.raises(EnvironmentNotAllowedError, match="--allow-environments"):
        client.StageClient(tmp_path / "log", python_of(environment)).run(stage)

    assert installed_versions(python_of(environment)) == {}
    assert not (environment / MARKER).exists()


def test_snakemake_runs_no_environment_that_is_not_allowed(environment):
    """A dry run says what was not checked; a run ends before it does anything."""
    config = config_with(environment)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        ROOT / "Snakefile",
        "--configfile",
        config,
        "--cores",
        "1",
    ]

    options = {"cwd": environment.parent, "capture_output": True, "text": True}
    dry, real = (subprocess.run([*map(str, command), *n], **options) for n in (["-n"], []))

    assert dry.returncode == 0 and "--allow-environments" in dry.stderr
    assert real.returncode == 2 and "Nothing was done" in real.stderr
    assert not (environment / MARKER).exists()
    assert not (environment.parent / "mirror").exists()


# ---- one that does not answer ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 1", "ended before it answered remarks"),
        ("echo hello; cat", "gave no answer to remarks, but printed b'hello"),
        ("sleep 300 & echo $! > child; wait", "did not answer remarks within 1 s"),
    ],
)
def test_a_python_that_does_not_answer_is_named(tmp_path, monkeypatch, command, message):
    """With what to do; and nothing of it goes on."""
    monkeypatch.setattr(remote, "ANSWER_S", 1.0)
    monkeypatch.chdir(tmp_path)
    environment = make_environment(tmp_path / "environment", command)
    allow_environments([python_of(environment)])

    with pytest.raises(CalibrationError, match=f"{message}.*make environments"):
        resolver(environment).remarks({}, "")

    if "child" in command:
        assert has_ended(int((tmp_path / "child").read_text()))


def test_an_answer_that_comes_late_is_never_taken_for_that_of_another_question(
    tmp_path, monkeypatch
):
    """A line that some module prints shifts the answers; so the process is stopped."""
    monkeypatch.chdir(tmp_path)
    answers = """echo hello; read opening; while read line; do echo '{"value":"{}"}'; done"""
    environment = make_environment(tmp_path / "environment", answers)
    allow_environments([python_of(environment)])
    remote = resolver(environment)
    with pytest.raises(CalibrationError, match="gave no answer"):
        remote.remarks({}, "")

    with pytest.raises(CalibrationError, match="ended before it answered"):
        remote.remarks({}, "")


def test_a_python_that_runs_no_stage_is_stopped(tmp_path, monkeypatch):
    """The exposure fails, and the batch goes on."""
    monkeypatch.setattr(client, "START_S", 1.0)
    monkeypatch.chdir(tmp_path)
    environment = make_environment(tmp_path / "environment", "sleep 300 & echo $! > child; wait")
    allow_environments([python_of(environment)])
    stage = StageJob(
        derivation=records.derivation(), folder="", base="", log="", timeout_s=0, ramp_mode=""
    )
    stages = client.StageClient(tmp_path / "log", python_of(environment))

    with pytest.raises(client.StageError, match="did not answer within 1 s") as late:
        stages.run(stage)

    assert late.value.kind == LATE
    assert has_ended(int((tmp_path / "child").read_text()))
    stages.close()


def has_ended(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


# ---- everything else that a config or its folder has -----------------------------------------


def test_check_runs_no_code_of_the_folder_of_a_config(tmp_path):
    """Hooks, functions, modules named as libraries, tags of YAML and ASDF, settings of git."""
    attack = f"open({str(tmp_path / MARKER)!r}, 'w')\ndef function(*inputs): return inputs\n"
    names = "hook sitecustomize usercustomize yaml astropy jwst asdf matplotlib package/__init__"
    (tmp_path / "package").mkdir()
    for name in names.split():
        (tmp_path / f"{name}.py").write_text(attack)
    (tmp_path / "package" / "inner.py").write_text(attack)
    (tmp_path / "matplotlibrc").write_text("backend: module://hook\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    touch = f"touch {tmp_path / MARKER}"
    (tmp_path / ".git" / "config").open("a").write(f'[core]\n\tfsmonitor = "{touch};false"\n')
    tag = f"!!python/object/apply:os.system ['{touch}']"
    (tmp_path / "theirs.asdf").write_text(
        f"#ASDF 1.0.0\n%YAML 1.1\n--- {{a: {tag}}}\n...\n", encoding="utf-8"
    )
    hooks = {"pre_hooks": ["hook.function"], "post_hooks": ["package.inner.function"]}
    config = {
        "programs": [{"program": 1345}],
        "recipes": {
            "deep": {
                "between": {"detector1..image2": "package.inner.function"},
                "parameters": {"detector1": {"jump": hooks}},
            },
            "file": {"parameters": {"detector1": "theirs.asdf"}},
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "tag.yaml").write_text(f"programs: 1345\nstrict: {tag}\n")

    command = [Path(sys.executable).with_name("jwmirror"), "check", "--config", "config.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )

    (mistake,) = json.loads(done.stdout)["mistakes"]
    assert "theirs.asdf" in mistake
    assert "strict" in run("check", "--config", tmp_path / "tag.yaml", code=2)
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("option", ["--configfile", "--configf", "--configfiles"])
def test_code_in_a_config_file_is_refused_before_snakemake_runs_it(tmp_path, capsys, option):
    """Snakemake evaluates YAML templates; the shipped profiles look at the file before it does."""
    config = tmp_path / "config.yaml"
    config.write_text("__use_yte__: true\n__definitions__: [import os]\nprograms: [1345]\n")

    with pytest.raises(SystemExit) as ended:
        check_given_files(["-n", option, str(config), "--cores", "1"])

    assert ended.value.code == 2
    assert "__use_yte__: Snakemake would run the Python code" in capsys.readouterr().err
