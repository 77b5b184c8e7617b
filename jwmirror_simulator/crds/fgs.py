"""References of the FGS guiders: the types that GuiderPipeline needs, for 128 x 128 windows."""

import numpy as np
from stdatamodels.jwst import datamodels

from jwmirror_simulator.crds.writer import ReferenceWriter

GUIDERS = ("GUIDER1", "GUIDER2")
WINDOW = "128X128"
SIZE = 128  # pixels
CORNER = (887, 1022)  # column and row, from 1; guide windows lie elsewhere for other guide stars
AXES = {"GUIDER1": (-2, -1), "GUIDER2": (2, -1)}  # fast, slow
GAIN = 1.8  # electrons per DN
READ_NOISE = 12.0  # DN, of one read

DETECTOR, SUBARRAY = "META.INSTRUMENT.DETECTOR", "META.SUBARRAY.NAME"
KEYS = dict.fromkeys(("mask", "gain", "readnoise", "flat"), (DETECTOR, SUBARRAY))


def write_fgs(writer: ReferenceWriter) -> None:
    """Save mask, gain, read noise and flat of both guiders."""
    shape = (SIZE, SIZE)
    good, ones = np.zeros(shape, "u4"), np.ones(shape, "f4")
    for guider in GUIDERS:
        for kind, model in (
            ("mask", datamodels.MaskModel(dq=good)),
            ("gain", datamodels.GainModel(data=GAIN * ones)),
            ("readnoise", datamodels.ReadnoiseModel(data=READ_NOISE * np.sqrt(2) * ones)),
            ("flat", datamodels.FlatModel(data=ones, err=0.001 * ones, dq=good)),
        ):
            writer.put(kind, (guider, WINDOW), _place(model, guider))


def _place(model: datamodels.JwstDataModel, guider: str) -> datamodels.JwstDataModel:
    model.meta.instrument.detector = guider
    meta = model.meta.subarray
    meta.name = WINDOW
    meta.xstart, meta.ystart = CORNER
    meta.xsize = meta.ysize = SIZE
    meta.fastaxis, meta.slowaxis = AXES[guider]
    return model
