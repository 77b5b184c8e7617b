"""The CRDS context for a set of modes."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror_simulator.crds.context import mappings_folder, write_config
from jwmirror_simulator.crds.mappings import write_pmap
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.instruments.references import EXP_TYPE, KEYS
from jwmirror_simulator.modes.mode import Mode


def build_context(crds_root: Path, modes: Iterable[Mode]) -> str:
    """Write the references and mappings of the modes; return the pmap's name.

    `crds_root` serves as CRDS_PATH and as the folder that a ReferenceServer offers.
    """
    modes = tuple(modes)
    writers: dict[str, ReferenceWriter] = {}
    keys: dict[str, dict[str, tuple[str, ...]]] = {}
    for mode in modes:
        writer = writers.setdefault(mode.instrument, ReferenceWriter(crds_root, mode.instrument))
        mode.write_references(writer)
        keys.setdefault(mode.instrument, dict(KEYS)).update(mode.keys)
    for name, writer in writers.items():
        by_type = [kind for kind, by in keys[name].items() if by == (EXP_TYPE,)]
        exposures = (
            exposure for mode in modes if mode.instrument == name for exposure in mode.exposures
        )
        writer.complete(by_type, {(exposure.exp_type,) for exposure in exposures})
    imaps = {name: writer.write_mappings(keys[name]) for name, writer in writers.items()}
    context = write_pmap(mappings_folder(crds_root), imaps)
    write_config(crds_root, context)
    return context
