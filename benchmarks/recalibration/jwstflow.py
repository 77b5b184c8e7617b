"""The same work by jwstflow, in a separate environment: it needs a newer Python."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.recalibration.claims import AbsentError, Claim
from benchmarks.recalibration.peers import environment_of
from benchmarks.recalibration.place import cpu_seconds, open_place
from benchmarks.recalibration.stages import PLAIN, offline
from jwmirror.pipeline.crds_rules import OFFLINE
from jwmirror.pipeline.derivation import engine_versions
from jwmirror_simulator.exposure_sets import ExposureSet

RELEASE = "0.2.1"
OLDEST = (3, 12)  # Python that it runs under
INSTALL_S, RUN_S = 900, 1800
STAGES = [  # as its own presets begin
    {"step": "detector1", "inputs": [{"pattern": "*_uncal.fits"}]},  # its path is added
    {
        "step": "image2",
        "inputs": [{"stage": "calwebb_detector1", "pattern": "*_rate.fits"}],
        "association": {"mode": "per_exposure", "level": 2},
    },
]


def beside_jwstflow(folder: Path, inputs: ExposureSet, where: str, python: str) -> Iterator[Claim]:
    """Run stages 1 and 2 with both, one exposure at a time, from raw files to results.

    jwstflow runs without its additional output: no graph, no figures, no sync of references.
    """
    program = _installed(Path(where) if where else folder / "jwstflow", python)
    offline(inputs)
    place = open_place(folder / "ours", inputs)
    theirs = cpu_seconds(lambda: _run(program, inputs, folder / "theirs"))
    ours = cpu_seconds(lambda: place.calibrate(place.chains(PLAIN)))
    yield Claim(
        what=f"{len(inputs.uncals)} exposures, stages 1 and 2, start-up included: "
        f"{ours:.1f} s; jwstflow {RELEASE}: {theirs:.1f} s",
        found=ours / theirs,
        goal=1.0,
    )


def _run(program: Path, inputs: ExposureSet, folder: Path) -> None:
    """Run jwstflow once; all tasks must succeed and leave a cal file for each exposure."""
    folder.mkdir()
    detector1, image2 = STAGES
    raw = {**detector1["inputs"][0], "path": str(inputs.uncals[0].parent)}
    workflow = {
        "target": "CROWD-1",
        "run": "nircam",
        "workspace": str(folder),
        "crds": {
            "path": str(inputs.crds_root),
            "server_url": OFFLINE,
            "context": inputs.context,
            "prefetch": False,
            "readonly_cache": True,
        },
        "parallel": {"backend": "serial", "workers": 1},
        "workflow_graph": False,
        "stages": [{**detector1, "inputs": [raw]}, image2],
    }
    saved = folder / "workflow.yaml"
    saved.write_text(json.dumps(workflow))  # JSON is YAML
    words, own = [program, "run", saved], {"PYTHONPATH": "", "CRDS_PATH": str(inputs.crds_root)}
    environment = environment_of(inputs) | own
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_S
    )
    made = list(folder.rglob("*_cal.fits"))
    if done.returncode or len(made) != len(inputs.uncals):
        raise RuntimeError(f"jwstflow {RELEASE} failed: {(done.stdout + done.stderr)[-2000:]}")


def _installed(folder: Path, python: str) -> Path:
    """Return the program, installed in a virtual environment at `folder` with our jwst version."""
    program = folder / "bin" / "jwstflow"
    if not program.exists():
        newer = python or _newer_python()
        wanted = [f"jwstflow=={RELEASE}", f"jwst=={engine_versions()['jwst']}"]
        for words in (
            [newer, "-m", "venv", folder],
            [folder / "bin" / "python", "-m", "pip", "install", "-q", *wanted],
        ):
            try:
                subprocess.run(words, check=True, capture_output=True, text=True, timeout=INSTALL_S)
            except (OSError, subprocess.SubprocessError) as err:
                said = str(getattr(err, "stderr", "") or err).strip()[-500:]
                raise AbsentError(f"jwstflow {RELEASE} cannot be installed: {said}") from err
    return program


def _newer_python() -> str:
    """Return a Python on PATH that is new enough and runs."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 4)]
    for found in filter(None, map(shutil.which, ("python3", *names))):
        asked = f"import sys; sys.exit(sys.version_info < {OLDEST})"
        done = subprocess.run([found, "-c", asked], capture_output=True)
        if done.returncode == 0:
            return found
    mine = ".".join(map(str, sys.version_info[:2]))
    raise AbsentError(
        f"jwstflow needs Python {OLDEST[0]}.{OLDEST[1]} or newer; PATH has none (this is "
        f"{mine}); name one with --python"
    )
