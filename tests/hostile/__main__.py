"""`make attacks`: plays the whole corpus with policy and with policy off, and prints the table.

    python -m hostile [--only TEXT] [--side-by-side N] [--data-dir DIR of a control plane that runs]

Exit code 1 when something forbidden happened under a policy, an attack could not be played, or fewer than 80 % work
with policy off.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from hostile.corpus import Attack, attacks
from hostile.runner import OFF, WITH, Result, of, play, world
from hostile.world import World
from sympozium.testing import Client, Cluster
from sympozium.up.paths import DataDir

WORKS = 80.0


class _Running(Cluster):
    """A control plane that somebody else has started and will stop."""

    def __init__(self, directory: Path) -> None:
        import os

        self.data = DataDir(directory.absolute())
        self.environ = dict(os.environ)
        self.token_auth_file = None
        Client.__init__(self, self.data.kubeconfig)


def report(wanted: list[Attack], results: list[Result]) -> int:
    found = {(r.attack.name, r.mode): r for r in results}
    print(f"{'attack':34} {'class':20} {'with policy':21} with policy off")
    for attack in wanted:
        on, off = found[attack.name, WITH], found[attack.name, OFF]
        told = (
            off.tripped[0]
            if off.tripped
            else f"stopped all the same: {attack.sandboxed or 'NOBODY KNOWS WHY'}"
        )
        print(f"{attack.name:34} {attack.kind:20} {on.word:21} {told}")
    happened = [r for r in results if r.mode == WITH and r.tripped]
    trouble = [r for r in results if r.trouble]
    works = [r for r in results if r.mode == OFF and r.tripped]
    claimed = [r for r in works if r.attack.sandboxed]
    unclear = [
        r for r in results if r.mode == OFF and not r.tripped and not r.trouble and not r.attack.sandboxed
    ]
    share = 100.0 * len(works) / len(wanted)
    print(
        f"\n{len(wanted)} attacks; with policy {len(happened)} happened; with policy off {len(works)} ({share:.0f} %) happened"
    )
    for r in happened:
        print(f"HAPPENED under a policy: {r.attack.name}: {'; '.join(r.tripped)}", file=sys.stderr)
    for r in trouble:
        print(f"could not be played: {r.attack.name} ({r.mode}): {r.trouble[:300]}", file=sys.stderr)
    for r in claimed:
        print(
            f"{r.attack.name} is said to be stopped by the sandbox, and happened: {r.tripped}",
            file=sys.stderr,
        )
    for r in unclear:
        print(
            f"{r.attack.name} proves nothing: with policy off it does not work, and nothing says why",
            file=sys.stderr,
        )
    return 1 if happened or trouble or claimed or unclear or share < WORKS else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="attacks whose name or class holds this text")
    parser.add_argument("--side-by-side", type=int, default=4)
    parser.add_argument("--data-dir", type=Path, help="a control plane that runs, instead of one of its own")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("hostile").setLevel(logging.INFO)
    wanted = [a for a in attacks() if options.only in a.name or options.only in a.kind]
    pairs = [(a, mode) for a in wanted for mode in (WITH, OFF)]

    def go(found: World) -> int:
        return report(wanted, play(found, pairs, side_by_side=options.side_by_side))

    if options.data_dir:
        with of(_Running(options.data_dir)) as found:
            return go(found)
    with tempfile.TemporaryDirectory() as directory, world(Path(directory, "up")) as found:
        return go(found)


if __name__ == "__main__":
    sys.exit(main())
