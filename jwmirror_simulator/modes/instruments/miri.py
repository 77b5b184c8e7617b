"""The imager of MIRI, which also takes spectra."""

from jwmirror_simulator.modes.instruments.cameras import Camera

MIRIMAGE = Camera(
    instrument="MIRI", detector="MIRIMAGE", v2=-414.9, v3=-400.5, scale=0.11,
    middle=(516.0, 512.0), axes=(1, 2), gain=3.1, read_noise=6.0, readpatt="FASTR1",
)  # fmt: skip
