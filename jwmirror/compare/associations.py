"""Differences between two JSON files: the members of associations, and all other keys."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.compare.reading import parse_errors
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import load_json
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import EQUAL, HEADER, MEMBERS, VALUES, Comparison

ABSENT = object()


def compare_json(comparison: Comparison, old: Path, new: Path, filename: str) -> Comparison:
    """Add the differences between two JSON files; StoreError if one is not JSON."""
    old_json, new_json = _read(old, filename), _read(new, filename)
    if not (_is_association(old_json) and _is_association(new_json)):
        cards = tuple(_value_changes(old_json, new_json, ""))
        return replace(comparison, verdict=VALUES if cards else EQUAL, cards=cards)
    members = tuple(_member_changes(old_json, new_json))
    common = _member_names(old_json) & _member_names(new_json)
    old_rest, new_rest = _without_roles(old_json, common), _without_roles(new_json, common)
    cards = tuple(_value_changes(old_rest, new_rest, ""))
    verdict = MEMBERS if members else HEADER if cards else EQUAL
    return replace(comparison, verdict=verdict, members=members, cards=cards)


def _read(path: Path, filename: str) -> Any:
    with parse_errors(path, filename, "JSON"):
        return load_json(path)


def _is_association(content: object) -> bool:
    """Return whether JSON has products that have members."""
    products = content.get("products") if isinstance(content, dict) else None
    return isinstance(products, list) and all(
        isinstance(product, dict) and isinstance(product.get("members"), list)
        for product in products
    )


def _member_names(association: dict[str, Any]) -> set[str]:
    return {
        str(member.get("expname"))
        for product in association["products"]
        for member in product["members"]
    }


def _without_roles(association: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return an association whose members are name -> their other keys, of these names only."""
    products = [
        {**product, "members": _other_keys(product["members"], names)}
        for product in association["products"]
    ]
    return {**association, "products": products}


def _other_keys(members: list[dict[str, Any]], names: set[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in member.items() if key not in ("expname", "exptype")}
        for member in members
        if (name := str(member.get("expname"))) in names
    }


def _member_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Reason]:
    """Yield members that were added, removed, or changed exptype or place; product by product."""
    old_members, new_members = (
        {str(product.get("name")): product["members"] for product in association["products"]}
        for association in (old, new)
    )
    if len(old_members) == len(new_members) == 1:  # a renamed product is still the same one
        new_members = dict(zip(old_members, new_members.values(), strict=True))
    has_several = len(old_members) > 1 or len(new_members) > 1
    for product in old_members | new_members:
        prefix = f"{product}: " if has_several else ""
        yield from _role_changes(old_members.get(product, []), new_members.get(product, []), prefix)


def _role_changes(
    old: list[dict[str, Any]], new: list[dict[str, Any]], prefix: str
) -> Iterator[Reason]:
    """Yield each member whose exptype differs, and each place that another member has."""
    old_roles, new_roles = _roles(old), _roles(new)
    for name in old_roles | new_roles:
        if old_roles.get(name) != new_roles.get(name):
            yield Reason(f"{prefix}{name}", old_roles.get(name, ""), new_roles.get(name, ""))
    old_order = [name for name in old_roles if name in new_roles]
    new_order = [name for name in new_roles if name in old_roles]
    for place, (old_name, new_name) in enumerate(zip(old_order, new_order, strict=True), start=1):
        if old_name != new_name:
            yield Reason(f"{prefix}order, place {place}", old_name, new_name)


def _roles(members: list[dict[str, Any]]) -> dict[str, str]:
    """Return name -> exptypes of the members, in the order of their first mention."""
    by_name = group_by(members, lambda member: str(member.get("expname")))
    return {
        name: ", ".join(str(member.get("exptype")) for member in mentions)
        for name, mentions in by_name.items()
    }


def _value_changes(old: Any, new: Any, path: str) -> Iterator[Reason]:
    """Yield each value that differs, by its path: products[0].name."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            below = f"{path}.{key}" if path else str(key)
            yield from _value_changes(old.get(key, ABSENT), new.get(key, ABSENT), below)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (old_item, new_item) in enumerate(zip(old, new, strict=True)):
            yield from _value_changes(old_item, new_item, f"{path}[{number}]")
    elif _text(old) != _text(new) or type(old) is not type(new):
        yield Reason(path, _text(old), _text(new))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is ABSENT else json.dumps(value, sort_keys=True)
