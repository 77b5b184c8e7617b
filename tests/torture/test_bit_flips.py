"""A bit that flipped in any object is found by a full look, and nothing else is blamed."""

from pathlib import Path
from random import Random

import pytest

from jwmirror.store.objects import Objects
from jwmirror.store.verification import object_path, verify
from tests.torture.mill import SEED, publish, times, upstream

FILES, AT_ONCE = 40, 20
ROUNDS = times(50, 500)


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file over, whatever its mode."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


@pytest.mark.slow
def test_a_full_look_finds_every_flipped_bit(chamber):
    """1,000 bits in random places of random objects, twenty at a time: all found, no other."""
    random, root = Random(SEED), chamber / "mirror"
    rows = upstream(root, {f"{n}": random.randbytes(random.randint(1, 6000)) for n in range(FILES)})
    publish(root, rows)
    for _ in range(ROUNDS):
        hit = {row: random.randrange(row.size * 8) for row in random.sample(rows, AT_ONCE)}
        for row, bit in hit.items():
            flip(Objects(root).path(row.sha256), bit)

        problems = verify(root, full=True).problems

        assert {each.path for each in problems} == {object_path(row.sha256) for row in hit}
        for row, bit in hit.items():
            flip(Objects(root).path(row.sha256), bit)
    assert verify(root, full=True).problems == ()
