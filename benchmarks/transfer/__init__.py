"""Downloads beside curl and astroquery, from nginx on loopback and over a link; jwmirror verifies.

`python -m benchmarks transfer [--only loopback link] [--rounds N] [--large MB]`

The link has TLS, a round trip of 40 ms and 200 MB/s in all; it is a relay (link.py), through which
curl has to reach the time that such a link allows. On loopback two lower limits are shown. `hashes
alone` is the cost of verification: sha256 and MD5 of the same bytes in memory, on every core.
`urllib3 alone` downloads the files with jwmirror's HTTP client and as many connections, without
any check and without fsync.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.transfer.link import Link, relay
from benchmarks.transfer.load import MB, Load
from benchmarks.transfer.programs import (
    hashes_alone,
    urllib3_alone,
    with_astroquery,
    with_curl,
    with_jwmirror,
)
from benchmarks.transfer.server import nginx, trusted_certificate

LINK = Link(round_trip_s=0.04, rate=200 * MB)
RELAYED = (0.99, 1.15)  # times the shortest time that the link allows: what curl has to take
NAMES: dict[Callable, str] = {
    with_curl: "curl",
    with_jwmirror: "jwmirror",
    with_astroquery: "astroquery",
    hashes_alone: "hashes alone",
    urllib3_alone: "urllib3 alone",
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Files that some programs download over one link, or over bare loopback, and the goals."""

    load: Load
    programs: tuple[Callable, ...]
    link: Link | None = None
    times_curl: float  # jwmirror's wall time, at most
    times_astroquery: float | None = None  # as fast as astroquery's serial downloads, at least

    @property
    def title(self) -> str:
        """Load and link in words."""
        words = f"{self.load.name}, {self.load.connections} connections, "
        if not self.link:
            return words + "loopback"
        trip_ms, rate = 1e3 * self.link.round_trip_s, self.link.rate / MB
        return f"{words}TLS, round trip {trip_ms:.0f} ms, {rate:.0f} MB/s"

    def goals(self, best: dict[Callable, float]) -> Iterator[tuple[str, bool]]:
        """Yield each goal in words, and whether it holds for these seconds."""
        curl, ours = best[with_curl], best[with_jwmirror]
        if self.link:
            load = self.load
            shortest_s = self.link.shortest_s(load.count, load.size, load.connections)
            ratio = curl / shortest_s
            words = f"curl takes {ratio:.2f} x what the link allows ({shortest_s:.2f} s)"
            least, most = RELAYED
            yield f"{words}, {least} to {most}", least <= ratio <= most
        ratio = ours / curl
        yield f"{ratio:.2f} x curl's time, at most {self.times_curl}", ratio <= self.times_curl
        if self.times_astroquery:
            times = best[with_astroquery] / ours
            words = f"{times:.1f} x as fast as astroquery, at least {self.times_astroquery}"
            yield words, times >= self.times_astroquery


def comparisons(large: int) -> dict[str, list[Comparison]]:
    """Return what is compared, by place; `large` is the size of a large file in bytes."""
    small_files = Load(count=1000, size=MB // 10, connections=8)
    large_files = Load(count=4, size=large, connections=4)
    limits = (hashes_alone, urllib3_alone)
    both = (with_curl, with_jwmirror)
    return {
        "loopback": [
            Comparison(
                load=small_files,
                programs=(*both, *limits, with_astroquery),
                times_curl=5.5,
            ),
            Comparison(load=large_files, programs=(*both, *limits), times_curl=1.46),
        ],
        "link": [
            Comparison(
                load=small_files,
                programs=(*both, with_astroquery),
                link=LINK,
                times_curl=1.1,
                times_astroquery=6,
            ),
            Comparison(load=large_files, programs=both, link=LINK, times_curl=1.05),
        ],
    }


@contextmanager
def served(offered: Path, home: Path, link: Link | None) -> Iterator[str]:
    """Serve the files of a folder; yield the address: over loopback, or over the link with TLS."""
    home.mkdir()
    with ExitStack() as stack:
        certificate = stack.enter_context(trusted_certificate(home)) if link else None
        url = stack.enter_context(nginx(offered, home, certificate))
        yield stack.enter_context(relay(url, link)) if link else url


def measure(comparison: Comparison, rounds: int) -> list[str]:
    """Run each program in turn, `rounds` times; print the best of each; return missed goals.

    astroquery, which takes long, is run once.
    """
    best: dict[Callable, float] = {}
    with tempfile.TemporaryDirectory(prefix="transfer-") as folder:
        offered = Path(folder) / "offered"
        offered.mkdir()
        products = comparison.load.make_files(offered)
        with served(offered, Path(folder) / "server", comparison.link) as url:
            for number in range(rounds):
                for program in comparison.programs:
                    if number and program is with_astroquery:
                        continue
                    with tempfile.TemporaryDirectory(dir=folder) as into:
                        seconds = program(url, products, comparison.load, Path(into))
                    best[program] = min(seconds, best.get(program, seconds))
    return _report(comparison, best)


def _report(comparison: Comparison, best: dict[Callable, float]) -> list[str]:
    """Print seconds and goals; return the goals that are missed."""
    print(comparison.title)
    load = comparison.load
    for program, seconds in best.items():
        rate = load.count * load.size / seconds / MB
        ratio = seconds / best[with_curl]
        print(f"  {NAMES[program]:14} {seconds:8.2f} s {rate:8.0f} MB/s  {ratio:6.2f} x curl")
    goals = list(comparison.goals(best))
    for words, holds in goals:
        print(f"  {words}: {'holds' if holds else 'MISSED'}", flush=True)
    return [f"{comparison.title}: {words}" for words, holds in goals if not holds]


def main() -> str | None:
    """Compare the programs on many small and on few large files; return missed goals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks transfer")
    parser.add_argument("--large", type=int, default=1000, help="MB of each large file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=("loopback", "link"), help="default: both")
    asked = parser.parse_args()
    chosen = comparisons(asked.large * MB)
    try:
        missed = [
            goal
            for place in asked.only or chosen
            for comparison in chosen[place]
            for goal in measure(comparison, asked.rounds)
        ]
    except FileNotFoundError as err:
        print(f"skipped: {err}; this benchmark needs nginx, openssl and curl")
        return None
    return "; ".join(missed) or None


if __name__ == "__main__":
    sys.exit(main())
