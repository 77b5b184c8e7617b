"""What pyproject.toml cannot say: the package contains the workflow, which a clone has at its top.

The files are copied into `jwmirror/workflow` of a wheel. A clone and an editable install use the
files where they are (jwmirror/config/workflow_files.py).
"""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
WORKFLOW = runpy.run_path(str(ROOT / "jwmirror" / "config" / "workflow_files.py"))


class BuildWithWorkflow(build_py):
    """Copies the packages, and the workflow into one of them."""

    def run(self) -> None:
        """Copy what the distribution has; nothing of the workflow for an editable install."""
        super().run()
        for source, target in self._copies().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target)

    def _copies(self) -> dict[str, str]:
        """Return the files to copy, and where to."""
        if self.editable_mode:
            return {}
        folder = Path(self.build_lib) / "jwmirror" / "workflow"
        files = WORKFLOW["workflow_files"](ROOT)
        return {str(ROOT / path): str(folder / path) for path in files}

    def get_source_files(self) -> list[str]:
        """Return the files that a source distribution has to contain."""
        return [*super().get_source_files(), *map(str, WORKFLOW["workflow_files"](ROOT))]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files that are copied."""
        return [*super().get_outputs(include_bytecode), *self._copies().values()]


setup(cmdclass={"build_py": BuildWithWorkflow})
