"""Which generation a word means, for people: its number, a pin, or the current one."""

from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.pins import CURRENT, find_pin, read_pins


def generation_named(root: Path, word: str, hint: str = "") -> StoredGeneration:
    """The generation of a number, of a pin's name, or the `current` one.

    StoreError if it is none of these; `hint` says what else may have been meant.
    """
    generations = Generations(root)
    if word == CURRENT:
        return generations.require_current()
    if word.isdigit():
        return generations.read(int(word))
    if pin := find_pin(root, word):
        return generations.read(pin.generation)
    named = (
        ", ".join(f"{each.name} ({each.generation})" for each in read_pins(root))
        or "there are none"
    )
    raise StoreError(
        f"{word}: expected the number of a generation (`jwmirror log` lists them), a pin ({named}) "
        f"or `{CURRENT}`{hint}."
    )
