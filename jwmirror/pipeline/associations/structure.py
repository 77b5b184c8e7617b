"""The form of an association file: its lists and keys, as far as every reader needs them."""

from collections.abc import Sequence
from typing import Any


def products_of(content: Any) -> list[Any]:
    """Return the products in the content of an association file, each with its members.

    Raises:
        ValueError: a key is missing, or a value has another form; the message says where.
    """
    products = _items(_part(content, "the file", ("products",))["products"], "products")
    if not products:
        raise ValueError("it has no product")
    for number, product in enumerate(products, start=1):
        subject = f"product {number}"
        members = _part(product, subject, ("name", "members"))["members"]
        for position, member in enumerate(_items(members, f"{subject}, members"), start=1):
            _part(member, f"{subject}, member {position}", ("expname", "exptype"))
    return products


def _part(value: Any, subject: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return a part of a file; ValueError unless it has these keys."""
    if not isinstance(value, dict):
        raise ValueError(f"{subject}: expected the keys {', '.join(keys)}, found {value!a:.80}")
    if missing := [key for key in keys if key not in value]:
        raise ValueError(f"{subject} has no {' and no '.join(missing)}")
    return value


def _items(value: Any, subject: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{subject}: expected a list, found {value!a:.80}")
    return value
