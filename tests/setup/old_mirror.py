"""The mirror that version 0.1 made, unpacked, and served with the observatory it was made from."""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from demo.site import Site
from jwmirror_simulator.mast.archive import TOKEN
from jwmirror_simulator.observatory import Observatory

PACKED = Path(__file__).parents[1] / "fixtures" / "mirror-0.1.tar.xz"


def unpack(into: Path) -> Path:
    """Unpack the mirror of version 0.1 and what it was made from, and return the folder."""
    with tarfile.open(PACKED) as packed:
        packed.extractall(into, filter="tar")  # modes and relative links stay
    (into / "config").mkdir()
    (into / "config.yaml").rename(into / "config" / "config.yaml")  # where a site has it now
    return into


@contextmanager
def served_old_mirror(into: Path) -> Iterator[Site]:
    """Unpack the mirror, its config and its observatory, and serve the observatory."""
    folder = unpack(into)
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        config = yaml.safe_load(site.config_file.read_text())
        config["mirror"] = str(site.mirror)
        config["archive"]["url"] = observatory.archive_url
        config["references"] |= {
            "url": observatory.references_url,
            "cache": str(folder / "crds_cache"),
        }
        site.config_file.write_text(yaml.safe_dump(config))
        yield site


def run_old_mirror(site: Site) -> None:
    """Run the workflow with the token, so that it finds the user's function."""
    paths = os.pathsep.join((str(site.folder), os.environ.get("PYTHONPATH", "")))
    site.snakemake(environment={"PYTHONPATH": paths, "MAST_API_TOKEN": TOKEN})
