"""How two JSON files differ: the members of associations, and all other keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import EQUAL, HEADER, MEMBERS, VALUES

ABSENT = object()


def compare_json(old: Path, new: Path, filename: str) -> dict[str, Any]:
    """The verdict, `members` and `cards` of a Comparison; StoreError if one is no JSON."""
    before, after = _read(old, filename), _read(new, filename)
    if not (_is_association(before) and _is_association(after)):
        cards = tuple(_key_changes(before, after, ""))
        return {"verdict": VALUES if cards else EQUAL, "cards": cards}
    members = tuple(_member_changes(before, after))
    both = _names(before) & _names(after)
    cards = tuple(_key_changes(_without_roles(before, both), _without_roles(after, both), ""))
    verdict = MEMBERS if members else HEADER if cards else EQUAL
    return {"verdict": verdict, "members": members, "cards": cards}


def _read(path: Path, filename: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise StoreError(
            f"{filename}: {path} cannot be read as JSON ({err}); nothing was compared; "
            "`jwmirror verify --full` tells whether it was damaged since it came."
        ) from err


def _is_association(content: Any) -> bool:
    """Whether JSON has products that have members."""
    products = content.get("products") if isinstance(content, dict) else None
    return isinstance(products, list) and all(
        isinstance(product, dict) and isinstance(product.get("members"), list)
        for product in products
    )


def _names(association: dict[str, Any]) -> set[str]:
    products = association["products"]
    return {str(member.get("expname")) for each in products for member in each["members"]}


def _without_roles(association: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """An association with, of its members of these names, what else is said of them, by name."""
    products = [
        {
            **product,
            "members": {
                str(member["expname"]): {
                    key: value for key, value in member.items() if key not in ("expname", "exptype")
                }
                for member in product["members"]
                if str(member.get("expname")) in names
            },
        }
        for product in association["products"]
    ]
    return {**association, "products": products}


def _member_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Reason]:
    """Members added, removed, of another exptype or in another order; by product."""
    before, after = (
        {str(product.get("name")): product["members"] for product in each["products"]}
        for each in (old, new)
    )
    if len(before) == len(after) == 1:  # a product that was renamed is still the same
        after = dict(zip(before, after.values(), strict=True))
    several = len(before) > 1 or len(after) > 1
    for product in [*before, *(name for name in after if name not in before)]:
        prefix = f"{product}: " if several else ""
        yield from _changes_in(before.get(product, []), after.get(product, []), prefix)


def _changes_in(old: list[dict], new: list[dict], prefix: str) -> Iterator[Reason]:
    was, now = _roles(old), _roles(new)
    for name in [*was, *(name for name in now if name not in was)]:
        if was.get(name) != now.get(name):
            yield Reason(f"{prefix}{name}", was.get(name, ""), now.get(name, ""))
    both = was.keys() & now.keys()
    orders = [[name for name in roles if name in both] for roles in (was, now)]
    for place, (before, after) in enumerate(zip(*orders, strict=True), start=1):
        if before != after:
            yield Reason(f"{prefix}order, place {place}", before, after)


def _roles(members: list[dict]) -> dict[str, str]:
    """The exptypes of each member, in the order of their first mention."""
    found: dict[str, str] = {}
    for member in members:
        name, role = str(member.get("expname")), str(member.get("exptype"))
        found[name] = f"{found[name]}, {role}" if name in found else role
    return found


def _key_changes(old: Any, new: Any, place: str) -> Iterator[Reason]:
    """Each value that differs, by its place: products[0].name."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            at = f"{place}.{key}" if place else str(key)
            yield from _key_changes(old.get(key, ABSENT), new.get(key, ABSENT), at)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _key_changes(before, after, f"{place}[{number}]")
    elif _text(old) != _text(new) or type(old) is not type(new):
        yield Reason(place, _text(old), _text(new))


def _text(value: Any) -> str:
    return (
        ""
        if value is ABSENT
        else value
        if isinstance(value, str)
        else json.dumps(value, sort_keys=True)
    )
