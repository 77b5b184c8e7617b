"""Terminal pages of verify, repair, prune, export and their like. Pure: records in, text out."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.model import Entry
from jwmirror.core.model.maintenance import (
    Adoption,
    Checkout,
    FileHistory,
    Frozen,
    Pin,
    Pruning,
    Repairs,
    Rollback,
    Verification,
)
from jwmirror.report import formatting

SHOWN = 20  # lines of a list, unless all are asked for


def rollback_page(done: Rollback, dry_run: bool) -> RenderableType:
    """What became current, and what the next run will make of it."""
    if done.before == done.generation:
        return Text(f"generation {done.generation} is the current one")
    said = "would become" if dry_run else "is now"
    lines = [f"generation {done.generation} {said} the current one; it was {done.before}"]
    if done.set_aside:
        numbers = ", ".join(map(str, done.set_aside))
        lines.append(f"newer ones stay, and `jwmirror rollback` goes back to them: {numbers}")
    lines.append(
        "the next run compares MAST and the config with it, and brings back what they ask for; "
        "to keep a state by name: `jwmirror pin`; beside the current one: `jwmirror checkout`"
    )
    return Group(*map(Text, lines))


def pin_page(pin: Pin, dry_run: bool) -> RenderableType:
    """Which generation has which name."""
    return Text(f"{pin.name} {'would name' if dry_run else 'names'} generation {pin.generation}")


def unpin_page(pin: Pin, dry_run: bool) -> RenderableType:
    """Which generation has lost which name."""
    said = "would no longer name" if dry_run else "no longer names"
    return Text(f"{pin.name} {said} generation {pin.generation}")


def verification_page(found: Verification, all_lines: bool = False) -> RenderableType:
    """What was looked at, and each problem."""
    how = "every byte hashed" if found.is_full else "lengths only; --full hashes every byte"
    head = (
        f"{formatting.count(found.generations, 'generation')}, "
        f"{formatting.count(found.objects, 'object')} of {formatting.size(found.bytes)} ({how}): "
    )
    told = formatting.count(len(found.problems), "problem") if found.problems else "all is right"
    lines = [
        f"{each.kind}  {each.path}: expected {each.expected}, found {each.found}"
        for each in found.problems
    ]
    return Group(Text(head + told), *_listed(lines, all_lines))


def repairs_page(found: Repairs, dry_run: bool, all_lines: bool = False) -> RenderableType:
    """Each problem, and what was done about it."""
    lines = [
        f"{each.problem.kind}  {each.problem.path}: expected {each.problem.expected}, "
        f"found {each.problem.found}; {each.done}"
        for each in found.outcomes
    ]
    mended = sum(each.is_mended for each in found.outcomes)
    count = formatting.count(len(found.outcomes), "problem")
    told = f"{count}; nothing was changed" if dry_run else f"{count}, {mended} of them mended"
    return Group(*_listed(lines, all_lines), Text(told if lines else "all is right"))


def pruning_page(done: Pruning, dry_run: bool, all_lines: bool = False) -> RenderableType:
    """What goes, by how much, and why the rest stays."""
    said = "would be" if dry_run else "were"
    counts = (
        f"{formatting.count(len(done.objects), 'object')} of {formatting.size(done.bytes)}",
        formatting.count(len(done.records), "record of provenance", "records of provenance"),
        formatting.count(len(done.folders), "folder of runs", "folders of runs"),
        formatting.count(len(done.files), "receipt or page", "receipts and pages"),
    )
    lines = [f"kept {number}: {why}" for number, why in done.kept.items()]
    for number in done.generations:
        newest = len(done.newest[str(number)])
        stays = f"; {formatting.count(newest, 'newest version')} of it kept" if newest else ""
        lines.append(f"given up {number}{stays}")
    head = (
        f"{formatting.count(len(done.generations), 'generation')} {said} given up; {said} removed: "
    )
    return Group(*_listed(lines, all_lines), Text(head + ", ".join(counts)))


def checkout_page(done: Checkout, dry_run: bool) -> RenderableType:
    """Which state is where."""
    said = "would be" if dry_run else "is"
    files = (
        f"{formatting.count(done.files, 'file')} of {formatting.size(done.bytes)}, by {done.mode}"
    )
    made = formatting.minute(done.made_at)
    line = f"generation {done.generation} of {made} {said} in {done.to}: {files}"
    return Group(Text(line), *_lost(done.lost))


def file_history_page(history: FileHistory) -> RenderableType:
    """Each version of a file: since when, how it was made, and why it changed."""
    parts: list[RenderableType] = []
    path = None
    for each in history.versions:
        if each.path != path:
            path = each.path
            parts.append(Text(path, style="bold"))
        spans = f"{each.first}" if each.first == each.last else f"{each.first}-{each.last}"
        parts.append(
            Text(
                f"  generation {spans}, since {formatting.minute(each.first_at)}: "
                f"{each.sha256[:12]}, {formatting.size(each.size)}{_pedigree(each.entry)}"
            )
        )
        parts += [Text(f"    {reason}", style="dim") for reason in each.reasons]
    for number, rows in history.kept.items():
        parts += [
            Text(f"{row.path}: {row.sha256[:12]} stays, of generation {number}, which was pruned")
            for row in rows
        ]
    return Group(*parts)


def _pedigree(entry: Entry) -> str:
    """What made a version, in a few words."""
    if entry.product:
        facts = (entry.product.cal_ver, entry.product.crds_ctx, entry.product.date)
    else:
        facts = (f"recipe {entry.origin}", entry.context, f"key {entry.key[:12]}")
    return "".join(f", {fact}" for fact in facts if fact)


def frozen_page(done: Frozen, dry_run: bool) -> RenderableType:
    """Which state is in which bag, and what was left out."""
    said = "would be" if dry_run else "is"
    files = f"{formatting.count(done.files, 'file')} of {formatting.size(done.bytes)}"
    lines = [f"generation {done.generation} {said} in the bag {done.to}: {files}"]
    if done.left_out:
        count = formatting.count(len(done.left_out), "file")
        lines.append(f"left out: {count} of exclusive access (--with-exclusive takes them in)")
    lines.append(f"its name is {done.name}; prune does not take it while it has one")
    return Group(*map(Text, lines), *_lost(done.lost))


def _lost(paths: Sequence[str]) -> Iterable[Text]:
    """Which files are not there, because the mirror lost them."""
    if paths:
        yield Text(f"left out: {formatting.count(len(paths), 'file')} that `verify` tells as lost")


def adoption_page(done: Adoption, dry_run: bool, all_lines: bool = False) -> RenderableType:
    """How many files were taken in, and why each other was not."""
    lines = [f"not adopted  {each.file}: {each.why}" for each in done.files if not each.is_adopted]
    count = sum(each.is_adopted for each in done.files)
    said = "would be adopted" if dry_run else "adopted: the next run does not fetch them"
    told = f"{formatting.count(count, 'file')} of {formatting.size(done.bytes)} {said}"
    return Group(*_listed(lines, all_lines), Text(told))


def _listed(lines: list[str], all_lines: bool) -> Iterable[Text]:
    shown = lines if all_lines else lines[:SHOWN]
    yield from map(Text, shown)
    if len(shown) < len(lines):
        yield Text(f"... and {len(lines) - len(shown):,} more; --all lists them")
