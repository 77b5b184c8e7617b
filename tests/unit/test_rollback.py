"""Rollback and pins: an earlier state is current again, and nothing is lost by it."""

import os
import re
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.maintenance.rollback import plan_rollback, roll_back
from jwmirror.store.objects import Objects
from jwmirror.store.pins import (
    FROZEN,
    PIN,
    add_pin,
    check_pin,
    find_pin,
    pinned_generations,
    read_pins,
    remove_pin,
    require_pin,
)
from tests.setup.mirrors import store_row
from tests.unit.test_generations import seen


@pytest.fixture(autouse=True)
def three_generations(mirror: Path) -> None:
    """A mirror of three generations: a; a and b; another a, and c in a folder of its own."""
    first, second = store_row(mirror, "a", b"1"), store_row(mirror, "b", b"2")
    other = store_row(mirror, "c", b"3")
    moved = type(other)(**{**vars(other), "path": "upstream/jw01345/o002/c"})
    for number, rows in enumerate(
        ([first], [first, second], [store_row(mirror, "a", b"one"), moved]), 1
    ):
        Generations(mirror).publish(rows, f"run {number}", {})


def states(mirror: Path) -> list[int]:
    """The numbers of all generations."""
    return [each.number for each in Generations(mirror).all()]


@pytest.mark.parametrize("number", [1, 2])
def test_an_earlier_state_is_shown_again(mirror, number):
    """current/ shows the earlier rows, whether or not their view stood; every generation stays."""
    done = roll_back(mirror, number)

    expected = {f"upstream/jw01345/o001/{name}": data for name, data in (("a", b"1"), ("b", b"2"))}
    assert seen(mirror) == dict(list(expected.items())[:number])
    assert (done.before, done.generation) == (3, number)
    assert states(mirror) == [1, 2, 3]
    assert (mirror / "views/000003").is_dir()


def test_one_can_go_forward_again(mirror):
    """A rollback is undone by another one."""
    before = seen(mirror)
    roll_back(mirror, 1)

    roll_back(mirror, 3)

    assert seen(mirror) == before
    assert Generations(mirror).current().number == 3


def test_the_next_publication_follows_the_generation_gone_back_to(mirror):
    """It takes the next free number, and its parent is the one gone back to."""
    roll_back(mirror, 1)

    published = Generations(mirror).publish([store_row(mirror, "d", b"4")], "next", {})

    assert (published.number, published.parent) == (4, 1)
    assert states(mirror) == [1, 2, 3, 4]


def test_publishing_what_was_rolled_back_goes_back_to_it(mirror):
    """A state equal to the newest generation, made from the same one, is that generation."""
    newest = Generations(mirror).entries()
    roll_back(mirror, 2)

    published = Generations(mirror).publish(newest, "again", {})

    assert published.number == 3
    assert states(mirror) == [1, 2, 3]


def test_a_state_that_followed_another_one_is_published_anew(mirror):
    """Its rows equal the newest generation's, whose parent is not the current one."""
    newest = Generations(mirror).entries()
    roll_back(mirror, 1)

    published = Generations(mirror).publish(newest, "again", {})

    assert (published.number, published.parent) == (4, 1)
    assert states(mirror) == [1, 2, 3, 4]


def test_a_generation_that_lost_an_object_is_not_gone_back_to(mirror):
    """The current state stays when an object of the earlier one is missing."""
    lost = Generations(mirror).read(2).entries()[1]
    Objects(mirror).path(lost.sha256).unlink()
    before = seen(mirror)

    with pytest.raises(StoreError, match="1 of 2 stored files are missing"):
        roll_back(mirror, 2)

    assert seen(mirror) == before


def test_a_plan_changes_nothing(mirror):
    """The plan tells what would be set aside, and leaves the mirror as it is."""
    plan = plan_rollback(mirror, 1)

    assert plan.set_aside == (2, 3)
    assert Generations(mirror).current().number == 3


def test_a_view_that_was_meddled_with_is_not_built_upon(mirror):
    """When the view that is used up is not whole, the new one is made from nothing."""
    os.unlink(mirror / "views/000002/upstream/jw01345/o001/b")

    roll_back(mirror, 1)

    assert seen(mirror) == {"upstream/jw01345/o001/a": b"1"}


def test_a_pinned_view_stays(mirror):
    """The view of a pinned generation is there however many come after it."""
    add_pin(mirror, "paper", 3)

    for data in (b"4", b"5", b"6"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})

    assert sorted(os.listdir(mirror / "views")) == ["000003", "000005", "000006"]


def test_a_name_leads_to_its_generation(mirror):
    """A pin is found by its name until it is taken away; pinning the same again is no error."""
    add_pin(mirror, "paper-1.0", 2)
    add_pin(mirror, "paper-1.0", 2)

    assert generation_named(mirror, "paper-1.0").number == 2
    assert remove_pin(mirror, "paper-1.0").generation == 2
    assert read_pins(mirror) == ()


@pytest.mark.parametrize("name", ["12", "", "../up", ".hidden", "a b", "x" * 101, "current"])
def test_a_name_that_could_mislead_is_refused(mirror, name):
    """Numbers, paths, `current` and the like are no names."""
    with pytest.raises(StoreError, match="nothing was pinned"):
        add_pin(mirror, name, 1)


def test_a_name_is_not_moved(mirror):
    """A name that is taken stays where it is."""
    add_pin(mirror, "paper", 2)

    with pytest.raises(StoreError, match="it names generation 2 already"):
        add_pin(mirror, "paper", 3)

    assert generation_named(mirror, "paper").number == 2


def test_what_is_not_there_has_no_name(mirror):
    """Neither a generation that is not there can be pinned, nor a name that is not there used."""
    with pytest.raises(StoreError, match="generation 9 does not exist"):
        add_pin(mirror, "paper", 9)
    with pytest.raises(StoreError, match=r"a pin \(no pins exist\) or `current`"):
        generation_named(mirror, "paper")
    with pytest.raises(StoreError, match=r"no generation 9; `jwmirror log` lists"):
        generation_named(mirror, "9")
    with pytest.raises(StoreError, match="pin 'paper' does not exist; pins are: none"):
        remove_pin(mirror, "paper")


def test_a_pin_has_its_generation_kind_and_place(mirror):
    """And when it was made, to the second."""
    pin = add_pin(mirror, "bag", 2, FROZEN, "/somewhere")

    assert (pin.name, pin.generation, pin.kind, pin.place) == ("bag", 2, "frozen", "/somewhere")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", pin.made_at)
    assert read_pins(mirror) == (pin,)
    assert check_pin(mirror, "bag", 2) == pin == find_pin(mirror, "bag")
    assert add_pin(mirror, "bag", 2, PIN) == pin
    assert (add_pin(mirror, "plain", 1).kind, find_pin(mirror, "plain").place) == ("pin", "")
    assert remove_pin(mirror, "bag") == pin


def test_names_are_found_by_generation_and_in_order(mirror):
    """A generation may have several."""
    for name, number in (("b", 1), ("a", 1), ("c", 3), ("x" * 100, 2)):
        add_pin(mirror, name, number)

    assert [pin.name for pin in read_pins(mirror)] == ["a", "b", "c", "x" * 100]
    assert pinned_generations(mirror) == {1: ("a", "b"), 3: ("c",), 2: ("x" * 100,)}
    with pytest.raises(StoreError, match=r"pins are: a \(1\), b \(1\), c \(3\), x+ \(2\)\."):
        require_pin(mirror, "d")


def test_a_pruned_generation_cannot_be_pinned(mirror):
    """Its files are not known any more; a name that no pin can have has none."""
    (mirror / "generations/000001/pruned.json").write_text("{}")

    with pytest.raises(StoreError, match="generation 1 was pruned"):
        check_pin(mirror, "paper", 1)
    assert check_pin(mirror, "paper", 2) is None
    (mirror / "pins").mkdir()
    (mirror / "pins/a b.json").write_text("{}")
    assert find_pin(mirror, "a b") is None
    with pytest.raises(StoreError, match="remove it and pin again"):
        read_pins(mirror)


def test_a_rollback_says_from_where_to_where(mirror):
    """Later generations are set aside; to the current one nothing changes but its pointers."""
    report = plan_rollback(mirror, 2)
    assert (report.mirror, report.before, report.generation) == (str(mirror), 3, 2)
    assert report.set_aside == (3,)

    (mirror / "current").unlink()
    same = roll_back(mirror, 3)

    assert (same.before, same.generation, same.set_aside) == (3, 3, ())
    assert os.readlink(mirror / "current") == "views/000003"


def test_a_word_means_a_generation_or_nothing(mirror, tmp_path):
    """The error lists what can be meant, and the hint of the caller."""
    add_pin(mirror, "paper", 2)
    add_pin(mirror, "other", 1)

    assert generation_named(mirror, "current").number == 3
    assert [generation_named(mirror, word).number for word in ("1", "paper")] == [1, 2]
    with pytest.raises(StoreError, match=r"a pin \(other \(1\), paper \(2\)\) or `current`, or x"):
        generation_named(mirror, "nothing", ", or x")
    for word in ("1", "paper", "current"):
        with pytest.raises(StoreError, match="holds no mirror yet"):
            generation_named(tmp_path / "none", word)
