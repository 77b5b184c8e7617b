"""CPU time to plan 5,000 raw exposures and their mosaics, none of which was calibrated yet.

`python -m benchmarks plan [--exposures N]` plans all levels of a run in memory: parameters and
references are resolved by the real jwst and CRDS with the simulated references of the demo, and
chains are cut into jobs. Reading the mirror is not part of it.
"""
