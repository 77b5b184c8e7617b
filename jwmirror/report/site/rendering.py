"""The pages of a site as HTML. Pure: a record in, a page out.

A page needs no network and no other file but its pictures: it carries its style and its script, and
a policy by which a browser runs no other.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

from jwmirror import __version__
from jwmirror.core.jsonio import digest
from jwmirror.core.model import canonical
from jwmirror.core.printing import LINES, duration, printable
from jwmirror.report import formatting
from jwmirror.report.quality import quantity_words, unit_of_quantity
from jwmirror.report.site import addresses

TEMPLATES = Path(__file__).parent / "templates"
STYLES, SCRIPTS = ("site.css", "comparison.css"), ("tables.js",)
POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src 'sha256-{style}'; "
    "script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
)
CODE = re.compile("`([^`]+)`")
MAX_ROWS = 500  # of a table, where a page says no other number
BOX = (110, 200)  # characters in a row of a box to copy from, and rows at most


@cache
def templates_digest() -> str:
    """Return the digest of what pages are made with; a new version writes them again."""
    paths = sorted(path for path in TEMPLATES.glob("*") if path.is_file())
    return digest([__version__, *((path.name, path.read_text("utf-8")) for path in paths)])


def render_page(template: str, address: str, page: object, is_public: bool, has_other: bool) -> str:
    """Return a page as HTML; every text in it is escaped, and printable.

    `address` is that of the page, from the folder of the site. `has_other`: the mirror has a site
    with exclusive data beside the public one.
    """
    return (
        _environment()
        .get_template(template)
        .render(
            page=page,
            base="../" * address.count("/"),
            address=address,
            is_public=is_public,
            has_other=has_other,
        )
    )


@cache
def _environment() -> Any:  # jinja2.Environment: imported when a page is made
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(TEMPLATES)), autoescape=True, finalize=_printable
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "size": formatting.size,
        "minute": formatting.minute,
        "changes": formatting.changes_in_words,
        "duration": duration,
        "address": addresses.quoted,
        "number": _number,
        "quantity": quantity_words,
        "unit": unit_of_quantity,
        "program": _program,
        "lines": _lines,
        "code": _with_code,
        "thousands": "{:,}".format,
    }
    style, script = (_source(name) for name in (STYLES, SCRIPTS))
    environment.globals |= {
        "addresses": addresses,
        "count": formatting.count,
        "exclusive": formatting.exclusive_count,
        "limit": MAX_ROWS,
        "rows": _rows,
        "version": __version__,
        "style": style,
        "script": script,
        "policy": POLICY.format(style=_hash(style), script=_hash(script)),
        "in_words": formatting.CHANGES,
    }
    return environment


def _source(names: Iterable[str]) -> str:
    """Return the styles or the scripts, one after the other."""
    return "".join((TEMPLATES / name).read_text("utf-8") for name in names)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _printable(value: object) -> object:
    """Return a value of the page, printable if it is text (but not HTML of the template)."""
    if type(value) is not str:
        return value
    text = value.replace(" -> ", " → ") if "->" in value else value
    return text if value.isascii() and value.isprintable() else printable(text)  # most: at once


def _lines(texts: Iterable[str]) -> object:  # markupsafe.Markup
    """Return texts below each other, for a box from which they are copied."""
    from markupsafe import Markup, escape  # comes with jinja2

    return Markup("\n").join(escape(printable(text, LINES)) for text in texts)


def _rows(texts: Iterable[str]) -> int:
    """Return the rows of a box that shows texts below each other, of which long ones are wrapped.

    Browsers that know `field-sizing` make the box as high as its content, whatever its width.
    """
    return min(sum(len(text) // BOX[0] + 1 for each in texts for text in each.split("\n")), BOX[1])


def _with_code(text: str) -> object:  # markupsafe.Markup
    """Return a text in which commands between backticks are shown as code."""
    from markupsafe import Markup, escape

    command, parts = Markup("<code>{}</code>"), CODE.split(printable(text))
    shown = (command.format(p) if n % 2 else escape(_printable(p)) for n, p in enumerate(parts))
    return Markup("").join(shown)


def _number(value: float | None) -> str:
    """Return a measured number with four digits; "" for none."""
    return "" if value is None else f"{value:.4g}"


def _program(folder: str) -> str:
    """Return the number of a program, as people write it: 1345 of jw01345."""
    return folder.removeprefix("jw").lstrip("0") or folder


def text_of(value: object) -> str:
    """Return a parameter's value as text; strings without quotes."""
    return value if isinstance(value, str) else canonical(value)


render_public = partial(render_page, is_public=True)
