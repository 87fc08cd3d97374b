"""Memory use of a tree of processes, from files that look like /proc and from the real one."""

import os
from pathlib import Path

from sympozium.node import guard


def process(proc: Path, pid: int, anonymous: int, *children: int) -> None:
    directory = proc / str(pid)
    (directory / "task" / str(pid)).mkdir(parents=True)
    lines = [
        "Name:\tx",
        f"VmRSS:\t{anonymous + 999} kB",
        f"RssAnon:\t{anonymous} kB",
        "RssFile:\t999 kB",
        "RssShmem:\t1 kB",
    ]
    (directory / "status").write_text("\n".join(lines) + "\n")
    (directory / "task" / str(pid) / "children").write_text(" ".join(map(str, children)))


def test_tree(tmp_path: Path) -> None:
    process(tmp_path, 1, 10, 2, 3)
    process(tmp_path, 2, 20, 4)
    process(tmp_path, 3, 30)  # 4 has ended meanwhile
    process(tmp_path, 5, 1000)
    assert guard.usage(1, tmp_path) == (10 + 20 + 30 + 3) * 1024


def test_this_process() -> None:
    assert guard.usage(os.getpid()) > 1 << 20
