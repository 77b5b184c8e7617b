"""Look-up of the generation that a user means by a word or a time."""

from datetime import UTC, datetime, time
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed, did_you_mean, some_of
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.pins import CURRENT, find_pin, read_pins


def generation_named(root: Path, word: str, hint: str = "") -> StoredGeneration:
    """Return the generation of a number, of a pin's name, or the `current` one.

    Raises:
        StoreError: the word means no generation; `hint` says what else is possible.
    """
    generations = Generations(root)
    if word == CURRENT or not generations.folder.is_dir():  # if empty, this raises
        return generations.require_current()
    if word.isdigit():
        return generations.read(int(word))
    if pin := find_pin(root, word):
        return generations.read(pin.generation)
    raise _no_generation(root, word, hint)


def _no_generation(root: Path, word: str, hint: str) -> StoreError:
    """Return the error for a word that means no generation."""
    pins = read_pins(root)
    names = some_of(f"{pin.name} ({pin.generation})" for pin in pins)
    near = did_you_mean(word, [CURRENT, *(pin.name for pin in pins)])
    return StoreError(
        f"mirror {root.absolute()}: {word}: expected the number of a generation ({as_typed('log')} "
        f"lists them), a pin ({names if pins else 'no pins exist'}) or `{CURRENT}`{near or hint}"
    )


def moment_of(text: str) -> datetime:
    """Return the time that a day or a time means (ISO; UTC if it has no zone); a day means its end.

    Raises:
        StoreError: the text is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise StoreError(
            f"{text!r}: expected a day (2026-03-01) or a time (2026-03-01T12:30, UTC)."
        ) from err
    if len(text) <= len("2026-03-01"):
        moment = datetime.combine(moment.date(), time.max)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def generation_at(root: Path, when: datetime) -> StoredGeneration:
    """Return the generation that was current at a time.

    The search follows the parents of the current generation, so it skips what a rollback left
    behind, and a wrong clock does not change the order.

    Raises:
        StoreError: it was pruned, or nothing was published yet.
    """
    generations = Generations(root)
    generation = generations.require_current()
    while datetime.fromisoformat(generation.made_at) > when:
        if generation.parent is None:
            raise StoreError(
                f"mirror {root.absolute()} as of {when.isoformat(timespec='seconds')}: nothing was "
                f"published yet; its first generation ({generation.number}) is of "
                f"{generation.made_at}; {as_typed('log')} lists all."
            )
        generation = generations.read(generation.parent)
    return generations.read_unpruned(generation.number)
