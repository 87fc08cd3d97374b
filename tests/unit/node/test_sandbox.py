"""The bubblewrap arguments, on values: what must be there whatever a pod asks for."""

from pathlib import Path

import pytest

from sympozium.node import sandbox
from sympozium.node.sandbox import Mount, Sandbox


def arguments(**more: object) -> list[str]:
    box = Sandbox("host", ("prog",), {"A": "1"}, 1000, 1000, **more)  # type: ignore[arg-type]
    return sandbox.arguments(box, layout=["--ro-bind", "/usr", "/usr"], block_fd=3, status_fd=4, seccomp_fd=5)


def option(args: list[str], name: str) -> list[str]:
    """The value that follows each occurrence of an option."""
    return [args[i + 1] for i, arg in enumerate(args) if arg == name]


@pytest.mark.parametrize("needed", [
    "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--disable-userns", "--die-with-parent",
    "--new-session", "--clearenv",
])  # fmt: skip
def test_isolation_is_never_left_out(needed: str) -> None:
    assert needed in arguments()


def test_no_capability_stays() -> None:
    assert option(arguments(), "--cap-drop") == ["ALL"]
    assert "--cap-add" not in arguments()


def test_descriptors() -> None:
    args = arguments()
    assert (option(args, "--block-fd"), option(args, "--json-status-fd"), option(args, "--seccomp")) == (
        ["3"],
        ["4"],
        ["5"],
    )


def test_mounts_outer_before_inner() -> None:
    args = arguments(mounts=(Mount("/s/inner", "/a/b", read_only=False), Mount("/s/outer", "/a")))
    assert args.index("/s/outer") < args.index("/s/inner")
    assert args[args.index("/s/outer") - 1] == "--ro-bind"
    assert args[args.index("/s/inner") - 1] == "--bind"


def test_mount_by_descriptor() -> None:
    args = arguments(mounts=(Mount("", "/a", read_only=True, descriptor=9),))
    assert args[args.index("--ro-bind-fd") :][:3] == ["--ro-bind-fd", "9", "/a"]


def test_generated_files_replace_those_of_the_host() -> None:
    args = arguments(etc={"hosts": "/pod/hosts", "resolv.conf": "/pod/resolv"})
    assert args[args.index("/pod/hosts") :][:2] == ["/pod/hosts", "/etc/hosts"]
    assert "/etc/ssl" in args
    assert args.count("/etc/resolv.conf") == 1  # not the host's


@pytest.mark.parametrize("file", ["shadow", "passwd", "group", "sudoers", "ssh", "hosts"])
def test_nothing_about_the_hosts_people(file: str) -> None:
    assert f"/etc/{file}" not in arguments()
    assert file not in sandbox.ETC


def test_read_only_root_comes_after_all_mounts() -> None:
    args = arguments(read_only_root=True, mounts=(Mount("/s", "/deep/dir"),))
    assert args.index("--remount-ro") > args.index("/deep/dir")


def test_working_directory_is_made_unless_mounted() -> None:
    assert "/work" in option(arguments(cwd="/work"), "--dir")
    assert "/work/x" not in option(arguments(cwd="/work/x", mounts=(Mount("/s", "/work"),)), "--dir")


def test_layout_follows_the_links_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "lib").mkdir()
    found = sandbox.host_layout(tmp_path)
    assert found[:3] == ["--ro-bind", str(tmp_path / "usr"), "/usr"]
    assert found[3:6] == ["--symlink", "usr/bin", "/bin"]
    assert found[6:9] == ["--ro-bind", str(tmp_path / "lib"), "/lib"]


@pytest.mark.parametrize(
    ("uid", "names"), [(1000, ["root", "app", "nobody"]), (0, ["root", "nobody"]), (65534, ["root", "app"])]
)
def test_accounts(uid: int, names: list[str]) -> None:
    passwd, group = sandbox.accounts(uid, uid)
    assert [line.split(":")[0] for line in passwd.splitlines()] == names
    assert f":{uid}:" in group


def test_hosts() -> None:
    text = sandbox.hosts("pod-1", {"127.1.0.1": ["a.test", "b.test"]})
    assert "127.0.0.1\tpod-1\n" in text
    assert "127.1.0.1\ta.test b.test\n" in text
