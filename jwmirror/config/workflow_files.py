"""Where the files of the workflow are: Snakefile, rules, scripts, profiles, envs, config.

setup.py runs this file by itself, so it imports nothing of jwmirror.
"""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SCHEMA = "config/schema.yaml"
LOCAL = ("Snakefile", "rules/session.smk")  # by which a folder with the workflow is known
PATTERNS = (
    *("Snakefile", "rules/*.smk", "scripts/*.py", "profiles/*/*", "envs/*.yaml"),
    *("config/*.yaml", "config/README.md"),
)
DEMO = ("config/demo.yaml", "profiles/demo/config.yaml")  # they are of use in a clone only


def workflow_folder() -> Path:
    """Return the folder with the workflow of this jwmirror: in the package, or above it in a clone.

    setup.py copies the files into the package when a wheel is built.
    """
    installed = PACKAGE / "workflow"
    return installed if installed.is_dir() else PACKAGE.parent


def workflow_in(folder: Path) -> Path:
    """Return a folder if it has the files of the workflow itself, else `workflow_folder`."""
    has_own = all((folder / name).is_file() for name in LOCAL)
    return folder if has_own else workflow_folder()


def workflow_files(folder: Path) -> list[Path]:
    """Return the files of the workflow in a folder, relative to it."""
    found = (path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file())
    names = (path.relative_to(folder) for path in found)
    return sorted(name for name in names if name.as_posix() not in DEMO)
