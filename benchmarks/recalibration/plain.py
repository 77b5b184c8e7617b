"""Plain `Pipeline.call`, stage after stage, in one process, as in a notebook.

`python -m benchmarks.recalibration.plain JOB` runs the calls in the JSON file JOB in its folder and
prints the CPU seconds of each call as JSON. It imports nothing of jwmirror.
"""

import json
import os
import sys
import time
from pathlib import Path


def main(job_path: str) -> None:
    """Call the pipelines of a job: {"folder": ..., "calls": [[pipeline, file, steps], ...]}."""
    import jwst.pipeline
    from stdatamodels.jwst import datamodels

    for model in (datamodels.RampModel, datamodels.ImageModel):
        model().close()  # reads its schema: the process is warm
    job = json.loads(Path(job_path).read_text())
    os.chdir(job["folder"])
    spent = []
    for pipeline, file, steps in job["calls"]:
        before = time.process_time()
        getattr(jwst.pipeline, pipeline).call(file, steps=steps, save_results=True)
        spent.append(time.process_time() - before)
    print(json.dumps({"cpu_s": spent}))


if __name__ == "__main__":
    main(sys.argv[1])
