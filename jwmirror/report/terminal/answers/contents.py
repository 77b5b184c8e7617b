"""The terminal page of `jwmirror products`. Pure: records in, text out."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.answers import contents as records
from jwmirror.report import formatting

MAST = "MAST"
ASSOCIATION = {UPSTREAM: ("asn",)}  # the files of a root that is an association's


def contents_page(contents: records.Contents, all_lines: bool = False) -> Group:
    """Return the kinds of products, or how the files of an observation belong together."""
    parts: list[RenderableType] = []
    if contents.observations:
        for observation in contents.observations:
            parts += _observation(observation, all_lines, contents.mirror)
    else:
        parts.append(_kinds(contents, all_lines))
    if contents.left_out:
        files = formatting.count(contents.left_out, "file")
        parts.append(Text(f"left out: {files} that you may not read", style="dim"))
    return Group(*parts)


def _kinds(contents: records.Contents, all_lines: bool) -> RenderableType:
    """Return a table of the kinds that the mirror has, or of all."""
    title = f"Products in generation {contents.generation} of {contents.mirror}"
    table = formatting.empty_table(title, "level", "suffix", "what", "files", whole=("suffix",))
    for kind in (kind for kind in contents.kinds if kind.held or all_lines):
        held = "; ".join(
            f"{_name(each.origin)} {each.files:,} ({formatting.size(each.bytes)})"
            for each in kind.held
        )
        table.add_row(kind.level, kind.suffix, kind.meaning, held)
    return table


def _observation(
    observation: records.ObservationFiles, all_lines: bool, mirror: str
) -> Iterator[Text]:
    """Yield target, product and exposures, each indented below the one before."""
    yield Text(f"\nProgram {observation.program}, {observation.observation}", style="bold")
    target = None
    for product in observation.products:
        if product.target != target:
            target = product.target
            yield Text(f"  target {target}" if target else "  without a target in the name")
        made = f"{product.pipeline} of {product.association}" if product.association else ""
        how = f"  ({made or 'no association in the mirror'})"
        yield Text(f"    {product.product}{_files(product.files, product.qualities)}{how}")
        yield from _recommended(product, mirror)
        lines = [
            f"      {each.root}{_files(each.files)}"
            + (f"  {each.role}" if each.role != "science" else "")
            for each in product.members
        ]
        yield from formatting.shortened(lines, all_lines)
    others = [each for each in observation.others if each.files != ASSOCIATION]
    if others:
        yield Text("  in no association of stage 3")
        lines = [f"      {each.root}{_files(each.files)}" for each in others]
        yield from formatting.shortened(lines, all_lines)
    if associations := len(observation.others) - len(others):
        yield Text(f"  and {formatting.count(associations, 'file')} of associations", style="dim")


def _recommended(product: records.CombinedProduct, mirror: str) -> Iterator[Text]:
    """Yield which mosaics and cubes to use, and what is to be said of other versions."""
    if product.advice:
        yield Text(f"      {product.advice}", style="bold")
    yield from (Text(f"        {mirror}/current/{path}") for path in product.recommended)
    yield from (Text(f"        {remark}") for remark in product.remarks)


def _files(files: records.Suffixes, qualities: Mapping[str, str] | None = None) -> str:
    qualities = qualities or {}
    texts = (
        f"{_name(origin)}{f' ({qualities[origin]})' if origin in qualities else ''}: "
        f"{' '.join(suffixes)}"
        for origin, suffixes in files.items()
    )
    return f"  {'; '.join(texts) or 'not in the mirror'}"


def _name(origin: str) -> str:
    return MAST if origin == UPSTREAM else origin
