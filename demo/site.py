"""A user's folder for the simulated observatory: config, mirror, and calls of the programs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jwmirror.config.recipes.parameter_files import overlay
from jwmirror.core.model import Entry
from jwmirror.core.model.run import Run
from jwmirror.store.generations import Generations
from jwmirror.store.runs import last_run
from jwmirror_simulator.observatory import Observatory

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Tally:
    """What a run did: names of the fetched files, number of computed results by pipeline."""

    fetched: frozenset[str]
    computed: dict[str, int]


def _present(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts without the keys whose value is None."""
    return {
        key: _present(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not None
    }


class Site:
    """A folder with a config for a served observatory, and the mirror that it makes."""

    def __init__(self, folder: Path, observatory: Observatory):
        self.folder, self.observatory = folder, observatory
        self.config_file, self.mirror = folder / "config" / "config.yaml", folder / "mirror"

    def configure(self, **changes: Any) -> None:
        """Write the demo's config with the addresses of the servers, and with `changes`.

        Nested keys are merged. A key whose value is None is removed, nested ones too.
        """
        config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
        addresses = {
            "mirror": str(self.mirror),
            "archive": {"url": self.observatory.archive_url},
            "references": {
                "url": self.observatory.references_url,
                "cache": str(self.folder / "crds_cache"),
                "gaia": {"url": self.observatory.catalogue_url},
            },
        }
        merged = overlay(overlay(config, addresses), changes)
        self.config_file.parent.mkdir(exist_ok=True)
        self.config_file.write_text(yaml.safe_dump(_present(merged), sort_keys=False))

    def command(self, *words: str, profile: str = "profiles/demo") -> list[str]:
        """Return the snakemake call with this site's config."""
        options = ["--workflow-profile", profile, "--configfile", str(self.config_file)]
        return ["snakemake", *options, *words]

    def start(
        self, *words: str, log: Path, environment: Mapping[str, str] | None = None, **options: str
    ) -> subprocess.Popen:
        """Start snakemake in a new process group; its output goes to `log`."""
        with open(log, "w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *self.command(*words, **options)],
                cwd=ROOT,
                env=os.environ | (environment or {}),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def snakemake(self, *words: str, expect: int = 0, **options: Any) -> str:
        """Run snakemake and return its output; AssertionError if its exit code is not `expect`."""
        log = self.folder / "snakemake.log"
        code = self.start(*words, log=log, **options).wait()
        assert code == expect, f"snakemake ended with {code}:\n{log.read_text()[-6000:]}"
        return log.read_text()

    def run(self) -> Run:
        """Return the records of the newest run; AssertionError if the workflow never ran."""
        run = last_run(self.mirror)
        assert run is not None, f"no run is on record in {self.mirror}"
        return run

    def status(self) -> dict[str, Any]:
        """Return the output of `jwmirror status --json`."""
        return msgspec.json.decode(self.jwmirror("status", "--json"))

    def jwmirror(self, *words: str) -> bytes:
        """Return the output of a jwmirror command with --mirror."""
        command = [sys.executable, "-m", "jwmirror.cli", *words, "--mirror", str(self.mirror)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout

    def jwmirror_on_config(self, *words: str) -> bytes:
        """Return the output of a jwmirror command with --config."""
        command = [sys.executable, "-m", "jwmirror.cli", *words, "--config", str(self.config_file)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout

    def entries(self) -> dict[str, Entry]:
        """Return the rows of the current generation, by path."""
        return {entry.path: entry for entry in Generations(self.mirror).entries()}

    def tally(self) -> Tally:
        """Return what the newest run fetched and computed."""
        run = self.run()
        versions = [version for receipt in run.fetch_receipts for version in receipt.versions]
        results = [result for receipt in run.batch_receipts for result in receipt.results]
        made = {(each.key, each.pipeline) for each in results} if results else set()
        computed = Counter(name for key, name in made if key in set(run.computed_keys))
        return Tally(frozenset(v.product.filename for v in versions), dict(computed))
