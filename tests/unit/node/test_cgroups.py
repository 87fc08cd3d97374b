"""Control groups: what the kernel's files say, and what is written into a directory that stands for them."""

from pathlib import Path

import pytest

from sympozium.node import cgroups
from sympozium.node.cgroups import Cgroups, Group, Limits

HYBRID = """\
30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw
33 30 0:29 / /sys/fs/cgroup/memory rw,nosuid shared:12 - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:13 - cgroup cgroup rw,cpu,cpuacct
35 30 0:31 / /sys/fs/cgroup/pids rw shared:14 - cgroup cgroup rw,pids
"""
UNIFIED = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_mounts() -> None:
    unified, controllers = cgroups.mounts(HYBRID)
    assert unified == Path("/sys/fs/cgroup/unified")
    assert controllers == {
        "memory": Path("/sys/fs/cgroup/memory"), "cpu": Path("/sys/fs/cgroup/cpu,cpuacct"), "pids": Path("/sys/fs/cgroup/pids"),
    }  # fmt: skip
    assert cgroups.mounts(UNIFIED) == (Path("/sys/fs/cgroup"), {})


def test_own() -> None:
    text = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/u\n"
    assert cgroups.own(text) == {
        "name=systemd": "/",
        "memory": "/a/b",
        "cpu": "/c",
        "cpuacct": "/c",
        "": "/u",
    }


def settings(version: int, **limits: float) -> dict[str, str]:
    made = Limits(**limits)  # type: ignore[arg-type]
    return dict(pair for name in cgroups.CONTROLLERS for pair in cgroups._settings(version, name, made))


def test_settings_of_version_1() -> None:
    assert settings(1, memory=1000, cpu=0.5, cpu_request=1, pids=9) == {
        "memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "1000", "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000", "cpu.shares": "1024", "pids.max": "9",
    }  # fmt: skip


def test_settings_of_version_2() -> None:
    assert settings(2, memory=1000, cpu=2, cpu_request=1, pids=9) == {
        "memory.max": "1000", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "200000 100000",
        "cpu.weight": "39", "pids.max": "9",
    }  # fmt: skip


def test_no_limit_sets_none() -> None:
    assert set(settings(1)) == {"cpu.shares"}


@pytest.mark.parametrize(("version", "file", "text"), [
    (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    (2, "memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\noom_group_kill 1\n"),
])  # fmt: skip
def test_oom_kills(tmp_path: Path, version: int, file: str, text: str) -> None:
    group = Group(version, {"memory": tmp_path})
    assert group.oom_kills() == 0
    (tmp_path / file).write_text(text)
    assert group.oom_kills() == 2


def test_create_and_find_again(tmp_path: Path) -> None:
    groups = Cgroups(1, {"pids": tmp_path})
    groups.create("uid-1", "main", Limits(pids=5))
    assert (tmp_path / "poduid-1" / "main").is_dir()
    assert groups.describe() == "v1 (pids)"


def test_none_says_why() -> None:
    assert Cgroups(0, {}, "not delegated").describe() == "none (not delegated)"


def test_the_real_machine_is_described() -> None:
    found = cgroups.discover("sympozium-unit-test", root=False)
    assert found.bases or found.reason
    found.close()
