"""The reference context of some modes: one shelf per instrument."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror_simulator.crds.context import mappings_folder, write_config
from jwmirror_simulator.crds.mappings import write_pmap
from jwmirror_simulator.crds.writer import Shelf
from jwmirror_simulator.modes.instruments.references import EXP_TYPE, KEYS
from jwmirror_simulator.modes.mode import Mode


def build_context(crds_root: Path, modes: Iterable[Mode]) -> str:
    """Write the references and mappings of the modes; the pmap's name.

    `crds_root` then serves as CRDS_PATH as it stands, and as what a ReferenceServer offers.
    """
    modes = tuple(modes)
    shelves: dict[str, Shelf] = {}
    keys: dict[str, dict[str, tuple[str, ...]]] = {}
    for mode in modes:
        shelf = shelves.setdefault(mode.instrument, Shelf(crds_root, mode.instrument))
        mode.write_references(shelf)
        keys.setdefault(mode.instrument, dict(KEYS)).update(mode.keys)
    for name, shelf in shelves.items():
        by_type = [kind for kind, by in keys[name].items() if by == (EXP_TYPE,)]
        shots = (shot for mode in modes if mode.instrument == name for shot in mode.shots)
        shelf.complete(by_type, {(shot.exp_type,) for shot in shots})
    imaps = {name: shelf.write_mappings(keys[name]) for name, shelf in shelves.items()}
    context = write_pmap(mappings_folder(crds_root), imaps)
    write_config(crds_root, context)
    return context
