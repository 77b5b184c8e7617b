"""From a wheel to a mosaic: an empty home, three commands, no clone, no activated environment."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.site import ROOT
from jwmirror.config.workflow_files import workflow_files
from jwmirror_simulator.mast import faults

SOURCES = ("jwmirror", "jwmirror_simulator", "rules", "scripts", "profiles", "envs", "config")
FILES = ("Snakefile", "pyproject.toml", "setup.py", "README.md", "LICENSE")
UNCAL = "jw01345002001_02101_00002_nrca1_uncal.fits"
PATIENCE_S = 900  # for a busy machine


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel, and the packages that it needs from the running one."""

    wheel: Path
    bin: Path
    home: Path

    def start(self, program: str, *words: str, **options: object) -> subprocess.Popen[str]:
        """Start one of its programs in the home folder, with next to nothing in the environment."""
        variables = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"}
        return subprocess.Popen(
            [str(self.bin / program), *words],
            **{"cwd": self.home, "env": variables, "text": True} | options,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def call(self, program: str, *words: str, **options: object) -> list[str]:
        """Run one of its programs, and return the lines that it prints; it must succeed."""
        process = self.start(program, *words, **options)
        output, _ = process.communicate(timeout=PATIENCE_S)
        print(*words, output, sep="\n")  # shown if the test fails
        assert process.returncode == 0, output
        return output.splitlines()


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel of this code, and an environment with it; others are found by a .pth file."""
    folder = tmp_path_factory.mktemp("wheel")
    source, venv = folder / "source", folder / "venv"
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps"]
    build = ["wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    wheel = next(folder.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = ["--python", str(venv / "bin" / "python")]
    subprocess.run([*pip, *python, "install", *offline, str(wheel)], check=True)
    packages = next(venv.glob("lib/python*/site-packages"))
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return wheel, venv / "bin"


@pytest.fixture
def installed(environment, tmp_path) -> Installation:
    """The installed wheel, and an empty home."""
    wheel, programs = environment
    (tmp_path / "home").mkdir()
    return Installation(wheel, programs, tmp_path / "home")


def interrupted_run(installed: Installation) -> tuple[int, list[str], tuple[int, list[str]]]:
    """Press Ctrl-C as soon as files are downloaded, and somebody watches it.

    The exit code and the lines of `run`; then the same of `status --watch`.
    """
    process = installed.start("jwmirror", "run", start_new_session=True)
    deadline = time.monotonic() + PATIENCE_S
    while not any(installed.home.glob("mirror/objects/incoming/*/*.part")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    watching = installed.start("jwmirror", "status", "--watch")
    first = watching.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    watched, _ = watching.communicate(timeout=PATIENCE_S)
    seen = (watching.returncode, [first, *watched.splitlines()])
    return process.returncode, output.splitlines(), seen


@pytest.mark.slow
def test_from_a_wheel_to_a_compared_mosaic(installed, fresh_site):
    """init, run, open. Also: Ctrl-C shows no traceback; an unchanged run prints few lines."""
    servers = fresh_site.observatory
    words = ["--archive-url", servers.archive_url, "--references-url", servers.references_url]
    select = ["1345", "--observations", "2", "--instrument", "nircam", "--context", "latest"]

    survey = installed.call("jwmirror", "init", *select, *words)
    checked = installed.call("jwmirror", "check")
    servers.archive.fault(UNCAL, faults.slow(rate=5000))
    code, stopped, (watched_code, watched) = interrupted_run(installed)
    servers.archive.clear_faults()
    first = installed.call("jwmirror", "run")
    second = installed.call("python", "-m", "jwmirror", "run")

    assert any("o002" in line and "NRC_IMAGE" in line for line in survey)
    assert "no mistakes" in checked[0]
    assert code == 130 and stopped[-1].startswith("Interrupted.") and len(stopped) < 10
    assert not any("Traceback" in line for line in stopped)
    assert watched_code == 1 and watched[0].startswith("Fetching "), watched
    assert "has ended and published nothing" in watched[-1]
    assert len(first) <= 40 and any("Recalibrated: 7 results" in line for line in first), first
    assert len(second) <= 6 and "is up to date" in second[1], second
    page = next(line.removeprefix("Site: ") for line in first if line.startswith("Site: "))
    assert page in second[-2] and "_i2d" in Path(page).with_name("mosaics.html").read_text()
    assert any(Path(page).parent.glob("pictures/jw01345-o002_*_i2d-*/difference.png"))
    assert any(installed.home.glob("mirror/current/recalibrated/mine/jw01345/o002/*_i2d.fits"))
    log = installed.home / first[-1].partition(": ")[2]
    assert f"Snakefile: {installed.bin.parent}" in log.read_text()


@pytest.mark.slow
def test_a_laid_out_repository_is_a_plain_workflow(installed):
    """The wheel has all files of it; `snakemake` finds what `init --repository` writes."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    installed.call("jwmirror", "init", "1345", "--offline", "--repository")

    shown = installed.call("python", "-m", "snakemake", "-n")

    assert {f"jwmirror/workflow/{name}" for name in workflow_files(ROOT)} <= names
    assert f"Snakefile: {installed.home}/Snakefile" in "\n".join(shown)
    assert any("Asking https://mast.stsci.edu" in line for line in shown)
