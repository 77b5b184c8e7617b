"""Terminal pages of verify, repair, prune, export and their like. Pure: records in, text out."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Entry
from jwmirror.core.model import maintenance as records
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.quality import Acceptance
from jwmirror.report import formatting


def rollback_page(rollback: records.Rollback, dry_run: bool) -> RenderableType:
    """Return which generation became current, and what the next run will do."""
    is_same = rollback.before == rollback.generation
    verb = "would become" if dry_run else "is now"
    words = f"{verb} the current one, instead of {rollback.before}"
    lines = [
        f"generation {rollback.generation} {'is the current one already' if is_same else words}"
    ]
    if rollback.hold:
        held = f"the view {'would be' if dry_run else 'is'} {rollback.hold}"
        lines.append(
            f"{held}; runs publish generations without showing them until {as_typed('release')}"
        )
    if is_same:
        return Group(*map(Text, lines))
    if rollback.set_aside:
        numbers = ", ".join(map(str, rollback.set_aside))
        lines.append(f"newer generations are kept; {as_typed('rollback')} can return to: {numbers}")
    undone = (
        "the next run undoes this rollback: it publishes what MAST has then, and the results of "
        "your config as it is then; if you went back because of a mistake in the config, correct "
        "it before that run, or add --hold; "
    )
    lines.append(
        f"{'' if rollback.hold else undone}{as_typed('pin')} names a generation, so that prune "
        f"keeps it; {as_typed('checkout')} writes one into another folder"
    )
    return Group(*map(Text, lines))


def release_page(release: records.EndOfHold, dry_run: bool) -> RenderableType:
    """Return which hold ended, and what will be shown."""
    verb = "would not be" if dry_run else "is not"
    was = f" (it was {release.hold})" if release.hold else ""
    lines = [
        f"the view {verb} held any more{was}; it shows generation {release.generation} until the "
        "next run publishes what MAST and the config ask for"
    ]
    if release.newer:
        numbers = ", ".join(map(str, release.newer))
        step = f"{as_typed(f'rollback {release.newer[-1]}')} shows the newest now"
        lines.append(f"generations that follow it, and are not shown: {numbers}; {step}")
    return Group(*map(Text, lines))


def pin_page(pin: records.Pin, dry_run: bool) -> RenderableType:
    """Return which generation got which name."""
    return Text(f"{pin.name} {'would name' if dry_run else 'names'} generation {pin.generation}")


def unpin_page(pin: records.Pin, dry_run: bool) -> RenderableType:
    """Return which generation lost which name."""
    verb = "would no longer name" if dry_run else "no longer names"
    return Text(f"{pin.name} {verb} generation {pin.generation}")


def acceptance_page(acceptances: Sequence[Acceptance], dry_run: bool) -> RenderableType:
    """Return which caveats are accepted, and what the next run does."""
    verb = "would be accepted" if dry_run else "accepted"
    lines = [
        f"{acceptance.recipe}: {acceptance.product} ({acceptance.pipeline}) {verb}: "
        + ", ".join(f"{caveat.cause} ({caveat.subject})" for caveat in acceptance.caveats)
        for acceptance in acceptances
    ]
    extent = "this counts for every recipe that has the same result (the same key)"
    step = "the next run records this in the mirror, and publishes the result if it is held back"
    return Group(*map(Text, [*lines, extent, step]))


def verification_page(verification: records.Verification, all_lines: bool = False) -> Group:
    """Return what was checked, and each problem."""
    if verification.is_full:
        method = "sha256 of every byte"
    else:
        method = "sizes only, no bytes were read; --full reads every byte"
    objects = formatting.count(verification.objects, "stored file")
    checked = (
        f"{formatting.count(verification.generations, 'generation')}, "
        f"{objects}, {formatting.size(verification.bytes)} in total ({method}): "
    )
    problems = verification.problems
    summary = formatting.count(len(problems), "problem") if problems else "no problems found"
    affected = group_by(verification.affected, lambda each: each.object)
    lines = [
        line
        for problem in problems
        for line in (_problem(problem), *_affected_lines(affected.get(problem.path, ())))
    ]
    return Group(Text(checked + summary), *formatting.shortened(lines, all_lines))


def _affected_lines(files: Sequence[records.AffectedFile]) -> Iterator[str]:
    """Yield what the damage of one object affects."""
    for file in files:
        origin = f"recipe {file.recipe}" if file.recipe else "from MAST"
        numbers = formatting.ranges(file.generations)
        of = f"generations {numbers}" if numbers else "kept of a pruned generation"
        now = ", the current one among them" if file.is_current else ""
        yield f"  affects {file.path} ({origin}; {of}{now})"
    for result in files[0].results if files else ():
        numbers = formatting.ranges(result.generations)
        yield f"  from which was made {result.recipe}: {result.result} (generations {numbers})"


def repairs_page(
    repairs: records.RepairReport, dry_run: bool, all_lines: bool = False
) -> RenderableType:
    """Return each problem, and what was done about it."""
    outcomes = repairs.outcomes
    if not outcomes:
        return Text("no problems found")
    lines = [f"{_problem(outcome.problem)}; {outcome.done}" for outcome in outcomes]
    repaired = sum(outcome.is_mended for outcome in outcomes)
    result = "; nothing was changed" if dry_run else f", {repaired} of them repaired"
    summary = formatting.count(len(outcomes), "problem") + result
    return Group(*formatting.shortened(lines, all_lines), Text(summary))


def _problem(problem: records.Problem) -> str:
    kind = "stored file" if problem.kind == "object" else problem.kind
    return f"{kind}  {problem.path}: expected {problem.expected}, found {problem.found}"


def pruning_page(pruning: records.Pruning, dry_run: bool, all_lines: bool = False) -> Group:
    """Return what is removed, its size, and why each other generation is kept."""
    verb = "would be" if dry_run else "were"
    generations = formatting.count(len(pruning.generations), "generation")
    objects = formatting.count(len(pruning.objects), "stored file")
    removed = (
        f"{objects} ({formatting.size(pruning.bytes)} in total)",
        formatting.count(len(pruning.records), "provenance record"),
        formatting.count(len(pruning.folders), "folder of runs", "folders of runs"),
        formatting.count(len(pruning.files), "receipt or report", "receipts or reports"),
    )
    lines = [f"generation {number} kept: {why}" for number, why in pruning.kept.items()]
    for number in pruning.generations:
        newest = len(pruning.newest[str(number)])
        kept = f"; {_files_kept(newest)}" if newest else ""
        lines.append(f"generation {number} {'would be' if dry_run else 'was'} pruned{kept}")
    unneeded = ", ".join(text for text in removed if not text.startswith("0 ")) or "nothing"
    summary = f"{generations} {verb} pruned; {verb} removed: {unneeded}"
    return Group(*formatting.shortened(lines, all_lines), Text(summary))


def _files_kept(number: int) -> str:
    stay = "stays" if number == 1 else "stay"
    return f"{formatting.count(number, 'file')} {stay}: later generations have no version of it"


def checkout_page(checkout: records.Checkout, dry_run: bool) -> RenderableType:
    """Return which generation was checked out, and the folder."""
    files = f"{_files(checkout.files, checkout.bytes)}, by {checkout.mode}"
    made_at = formatting.minute(checkout.made_at)
    verb = "would be" if dry_run else "is"
    line = f"generation {checkout.generation} of {made_at} {verb} in {checkout.to}: {files}"
    return Group(Text(line), *_lost(checkout.lost), *_links(checkout, dry_run))


def _links(checkout: records.Checkout, dry_run: bool) -> Iterator[Text]:
    """Yield what keeps symbolic links from dangling, if there are any."""
    if checkout.mode != "symlink":
        return
    if checkout.name:
        has = "would get" if dry_run else "has"
        yield Text(
            f"the generation {has} the name {checkout.name}, so prune keeps the files that the "
            f"links point to; when you delete the folder: {as_typed(f'unpin {checkout.name}')}"
        )
    else:
        yield Text(
            "you may not write to the mirror, so the generation has no name: the links dangle "
            "when its owner prunes it; `jwmirror checkout --mode copy` makes copies"
        )


def frozen_page(bag: records.BagReport, dry_run: bool) -> RenderableType:
    """Return which generation is in which bag, and what was left out."""
    verb = "would be" if dry_run else "is"
    files = _files(bag.files, bag.bytes)
    lines = [f"generation {bag.generation} {verb} in the bag {bag.to}: {files}"]
    if bag.left_out:
        exclusive = formatting.count(len(bag.left_out), "exclusive file")
        lines.append(f"left out: {exclusive} (--with-exclusive includes them)")
        lines += [f"  {path}" for path in bag.left_out]
    has = "would get" if dry_run else "has"
    lines.append(f"the generation {has} the name {bag.name}, so prune keeps it")
    if not bag.is_recorded:
        lines.append(
            "not recorded: config, recipes and installed versions of this generation, because an "
            "earlier version of jwmirror published it"
        )
    return Group(*map(Text, lines), *_lost(bag.lost))


def _lost(paths: Sequence[str]) -> Iterator[Text]:
    if paths:
        files = formatting.count(len(paths), "file")
        yield Text(f"left out: {files} that the mirror lost ({as_typed('verify')} lists them)")


def adoption_page(
    adoption: records.AdoptionReport, dry_run: bool, all_lines: bool = False
) -> RenderableType:
    """Return how many files were adopted, and why each other file was not."""
    rejected = [file for file in adoption.files if not file.is_adopted]
    lines = [f"not adopted  {file.file}: {file.why}" for file in rejected]
    files = _files(len(adoption.files) - len(rejected), adoption.bytes)
    found = f"{adoption.folder} has {formatting.count(len(adoption.files), 'file')}"
    verb = "would be adopted" if dry_run else "adopted; the next run does not download them"
    return Group(*formatting.shortened(lines, all_lines), Text(f"{found}: {files} {verb}"))


def _files(number: int, size: int) -> str:
    return f"{formatting.count(number, 'file')} of {formatting.size(size)}"


def file_history_page(history: records.FileHistory, verbose: bool = False) -> RenderableType:
    """Return each version of a file: its generations, its pedigree, and why it changed."""
    lines: list[Text] = []
    path = None
    for version in history.versions:
        if version.path != path:
            path = version.path
            lines.append(Text(path, style="bold"))
        lines.append(Text(f"  {_version(version, history.generations, verbose)}"))
        why = formatting.why_changed(version.causes, version.content, version.reasons, verbose)
        lines += [Text(f"    {words}", style="dim") for words in why]
    for number, kept in history.kept.items():
        lines += [
            Text(
                f"{row.path}: {f'sha256 {row.sha256[:12]}, ' if verbose else ''}kept when "
                f"generation {number} was pruned"
            )
            for row in kept
        ]
    searched = formatting.count(len(history.generations), "generation")
    lines.append(Text(f"searched: {searched}; pruned ones cannot be searched", style="dim"))
    return Group(*lines)


def _version(version: records.FileVersion, searched: Sequence[int], verbose: bool) -> str:
    numbers = [number for number in searched if version.first <= number <= version.last]
    generations = formatting.ranges(numbers)
    return (
        f"generation {generations}, published {formatting.minute(version.first_at)}: "
        f"{f'sha256 {version.sha256[:12]}, ' if verbose else ''}{formatting.size(version.size)}"
        f"{_pedigree(version.entry, verbose)}"
    )


def _pedigree(entry: Entry, verbose: bool) -> str:
    """Return how a version was made, in a few words."""
    if entry.product:
        pairs = ((name, getattr(entry.product, field)) for field, name in PEDIGREE.items())
        facts = [f"{name} {value}" for name, value in pairs if value]
    else:
        facts = [f"recipe {entry.origin}", f"context {entry.context}"]
        facts += [f"key {entry.key[:12]}"] if verbose else []
    return "".join(f", {fact}" for fact in facts)
