"""Fill a small mirror: one observation, mirrored, recalibrated by one recipe, with one run."""

from dataclasses import replace

from msgspec import structs

from jwmirror.core.model import Change, Failure, Plan, Poll, Reason, Receipt, References, Wait
from jwmirror.core.model.plan import NEVER_CALIBRATED
from jwmirror.core.model.product import NEW, REPROCESSED, VANISHED
from tests.setup.mirrors import EXPOSURE, MOSAIC, SmallMirror, image_writer, made_from
from tests.setup.records import chain


def fill(mirror: SmallMirror) -> None:
    """One exposure and its mosaic, upstream and recalibrated; one file failed, one thing waits."""
    uncal = mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), checksum="0c" * 16)
    asn = mirror.hold("jw01345-o001_image3_asn.json", lambda path: path.write_text("{}"))
    mirror.hold(f"{MOSAIC}_i2d.fits", image_writer(2.0))
    jump = {"rejection_threshold": 5.0, "skip": False}
    rate = made_from("detector1", EXPOSURE, uncal.filename, jump=jump)
    i2d = made_from("image3", MOSAIC, asn.filename, tweakreg={"abs_refcat": "GAIADR3"})
    results = (
        mirror.make(rate, f"{EXPOSURE}_rate.fits", image_writer(3.0)),
        mirror.make(i2d, f"{MOSAIC}_i2d.fits", image_writer(2.1)),
    )
    mirror.publish()
    _record_run(mirror, uncal, asn, results, (rate, i2d))


def _record_run(mirror, uncal, asn, results, derivations) -> None:
    """What the run that made the small mirror left."""
    reasons = (Reason("checksum", "0a", "0c"), Reason("CAL_VER", "1.17.1", "1.18.0"))
    changes = (
        Change(kind=REPROCESSED, product=uncal.product, reasons=reasons),
        Change(kind=NEW, product=asn.product),
        Change(kind=VANISHED, product=structs.replace(uncal.product, filename="gone_uncal.fits")),
    )
    late = replace(derivations[0], product="late_exposure")
    mirror.record("changes.json", Poll(listings=(), changes=changes, unmatched=("program 9",)))
    mirror.record("references.json", References(context="jwst_1464.pmap", server="s", files={}))
    first = (
        chain(derivations[0], reasons=(NEVER_CALIBRATED,)),
        chain(late, reasons=reasons[:1]),
    )
    waits = (Wait(recipe="deep", product="a3001", why="2 of 9 members are not there yet"),)
    mirror.record("plan-exposures.json", Plan(context="c", batches={"b1": first}, waits=waits))
    second = Plan(context="c", batches={"b2": (chain(derivations[1], reasons=reasons[1:]),)})
    mirror.record("plan-associations-3.json", second)
    failures = (Failure(name="late_exposure", message="jump: <no> groups left"),)
    keys = tuple(result.key for result in results)
    mirror.record(
        "exposures/b1.json", Receipt(results=results[:1], computed=keys[:1], failures=failures)
    )
    mirror.record("associations-3/b2.json", Receipt(results=results[1:], computed=keys[1:]))
