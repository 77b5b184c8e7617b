"""Killed at any moment, a mirror keeps every generation it acknowledged."""

import time
from random import Random

import pytest

from tests.torture.mill import SEED, Account, Mill, end, grind, in_child, times

KILLS = times(200, 2000)
MIRROR_LIVES = 20  # kills; then a new mirror begins
LONGEST_S = 0.15


@pytest.mark.slow
def test_random_kills_lose_nothing(chamber):
    """kill -9 at random moments of ingest, publication, rollback, pins and prune: zero loss."""
    random = Random(SEED)
    for kill in range(KILLS):
        root = chamber / str(kill // MIRROR_LIVES)
        if kill % MIRROR_LIVES == 0:
            account = Account(root)
        seed = random.randrange(10**9)

        child, told = in_child(lambda tell, root=root, seed=seed: grind(root, seed, tell))
        time.sleep(random.uniform(0, LONGEST_S))
        code = end(child, told, account)

        assert code == -9, f"kill {kill}, seed {seed}: the mill met an error"
        account.judge()
        if kill % MIRROR_LIVES == MIRROR_LIVES - 1:
            Mill(root, seed, account.hear).update()  # one more run goes through
            account.judge()
