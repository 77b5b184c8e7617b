"""The same work by plain jwst: one `strun` per stage, or `Pipeline.call` in one process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jwmirror.pipeline.child_environment import ONE_THREAD
from jwmirror_simulator.crds.context import offline_environment
from jwmirror_simulator.exposure_sets import ExposureSet
from jwmirror_simulator.operations.associations import associations_of
from jwmirror_simulator.telescope.program import exposures_of

CLASSES = {"image2": "Image2Pipeline", "image3": "Image3Pipeline"}
Steps = Mapping[str, Mapping[str, Any]]  # pipeline -> step -> parameter -> value


def run_strun(inputs: ExposureSet, folder: Path) -> None:
    """Run stages 1 and 2 of each exposure with one `strun` each, as a shell script does."""
    folder.mkdir(parents=True)
    strun = str(Path(sys.executable).with_name("strun"))
    for uncal in inputs.uncals:
        rate = folder / uncal.name.replace("_uncal", "_rate")
        for pipeline, file in (("calwebb_detector1", uncal), ("calwebb_image2", rate)):
            words = [strun, pipeline, str(file), f"--output_dir={folder}"]
            subprocess.run(
                words, check=True, capture_output=True, cwd=folder, env=environment_of(inputs)
            )


def call_pipelines(
    inputs: ExposureSet, folder: Path, steps: Steps, stages: Sequence[int] = (1, 2, 3)
) -> list[float]:
    """Run the stages by `Pipeline.call` in a separate process; return CPU seconds of each call."""
    folder.mkdir(parents=True)
    calls: list[tuple[str, str, Any]] = [
        ("Detector1Pipeline", str(uncal), steps.get("detector1", {})) for uncal in inputs.uncals
    ]
    for each in associations_of(exposures_of(inputs.program)):
        if int(each.type[-1]) in stages:
            (folder / each.filename).write_text(each.text())
            calls.append((CLASSES[each.type], each.filename, steps.get(each.type, {})))
    job = folder / "job.json"
    job.write_text(json.dumps({"folder": str(folder), "calls": calls}))
    words = [sys.executable, "-m", "benchmarks.recalibration.plain", str(job)]
    done = subprocess.run(
        words,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment_of(inputs),
    )
    return json.loads(done.stdout.splitlines()[-1])["cpu_s"]


def environment_of(inputs: ExposureSet) -> dict[str, str]:
    """Return the environment: offline, the same references, one thread as the worker has."""
    offline = offline_environment(inputs.crds_root, inputs.context)
    others = {k: v for k, v in os.environ.items() if k != "STPIPE_DISABLE_CRDS_STEPPARS"}
    return {**others, **ONE_THREAD, **offline, "MPLBACKEND": "Agg"}
