"""exec, cp, attach and port-forward with real kubectls, against an API server and a node of their own."""

import hashlib
import os
import pty
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.node_support import IMAGE, NodeCluster, cluster, ns, once, phase, policy, shell, state
from sympozium.testing.resources import POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / ".tools" / "kubectl-1.32"
NEW = Path(sys.executable).with_name("kubectl")
VERSIONS = pytest.mark.parametrize("kubectl", [
    pytest.param(NEW, id="newest"),
    pytest.param(OLD, id="1.32", marks=pytest.mark.skipif(not OLD.exists(), reason="make tools")),
])  # fmt: skip
SERVER = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, h.ThreadingHTTPServer, port=8901, bind='127.0.0.1')"


def words(cluster: NodeCluster, ns: str, kubectl: Path, *arguments: str) -> list[str]:
    return [str(kubectl), "--kubeconfig", str(cluster.kubeconfig), "-n", ns, *arguments]


def run(
    cluster: NodeCluster, ns: str, kubectl: Path, *arguments: str, stdin: bytes = b"", **env: str
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        words(cluster, ns, kubectl, *arguments),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


def running(cluster: NodeCluster, ns: str, *containers: dict, name: str = "p", **more: object) -> None:
    spec = once(*(containers or (shell("sleep 1000"),)), terminationGracePeriodSeconds=0, **more)
    cluster.run_pod(name, ns, spec, labels={"net": "own"})
    cluster.wait(POD, name, lambda pod: phase(pod) == "Running", ns)


# -- exec


@VERSIONS
def test_exec_output_error_and_exit_code(cluster: NodeCluster, ns: str, kubectl: Path) -> None:
    running(cluster, ns)
    for more in ({}, {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}):
        done = run(
            cluster, ns, kubectl, "exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 7", **more
        )
        assert (done.returncode, done.stdout) == (7, b"out\n")
        assert done.stderr == b"err\ncommand terminated with exit code 7\n"
        done = run(cluster, ns, kubectl, "exec", "p", "--", "no-such-program", **more)
        assert done.returncode == 1
        assert b'exec: "no-such-program": executable file not found in $PATH' in done.stderr


@VERSIONS
def test_exec_carries_much_data_both_ways(cluster: NodeCluster, ns: str, kubectl: Path) -> None:
    running(cluster, ns)
    data = os.urandom(1024 * 1024) * 16
    digest = hashlib.sha256(data).hexdigest()
    for more in ({}, {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}):
        done = run(cluster, ns, kubectl, "exec", "-i", "p", "--", "tee", "/dev/null", stdin=data, **more)
        assert hashlib.sha256(done.stdout).hexdigest() == digest, done.stderr
    done = run(cluster, ns, kubectl, "exec", "-i", "p", "--", "sha256sum", stdin=data)
    assert done.stdout.split()[0].decode() == digest


def test_exec_has_no_more_than_the_container(cluster: NodeCluster, ns: str) -> None:
    """The same lines of /proc/self/status, the same namespaces, no descriptor of the node, its limits."""
    look = ("grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp)' /proc/self/status; readlink /proc/self/ns/*; "
            "ls /proc/self/fd | grep -v '^[0-3]$'; ulimit -u; env | grep -v -E '^(PWD|SHLVL|_|OLDPWD)=' | sort; pwd")  # fmt: skip
    script = f"({look}) > /tmp/own; sleep 1000"
    for user in ({}, {"securityContext": {"runAsUser": 0}}):
        name = f"p{len(user)}"
        running(
            cluster,
            ns,
            shell(script, env=[{"name": "A", "value": "a b\n$c"}], workingDir="/var/tmp", **user),
            name=name,
        )
        until(
            lambda name=name: (
                run(cluster, ns, NEW, "exec", name, "--", "test", "-s", "/tmp/own").returncode == 0
            ),
            "the file",
        )
        own = run(cluster, ns, NEW, "exec", name, "--", "cat", "/tmp/own")
        done = run(cluster, ns, NEW, "exec", name, "--", "sh", "-c", look)
        assert done.stdout == own.stdout, done.stderr
        assert b"Seccomp:\t2" in done.stdout
        assert b"CapBnd:\t0000000000000000" in done.stdout


def test_exec_in_a_pod_with_a_network_of_its_own(cluster: NodeCluster, ns: str) -> None:
    cluster.create(policy(ns, []))
    running(cluster, ns)
    done = run(
        cluster, ns, NEW, "exec", "p", "--", "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/1/ns/net"
    )
    inside, first = done.stdout.split()
    assert inside == first
    assert inside.decode() != str(Path("/proc/self/ns/net").readlink())


def test_exec_ends_with_its_container(cluster: NodeCluster, ns: str) -> None:
    running(cluster, ns)
    with subprocess.Popen(
        words(cluster, ns, NEW, "exec", "p", "--", "sh", "-c", "echo ready; sleep 1000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        cluster.request("DELETE", POD.path(ns, "p"), params={"gracePeriodSeconds": "0"})
        _, told = client.communicate(timeout=60)
    assert client.returncode == 137, told


def test_exec_chooses_and_refuses(cluster: NodeCluster, ns: str) -> None:
    running(cluster, ns, shell("sleep 1000"), {**shell("sleep 1000"), "name": "two"})
    other = run(cluster, ns, NEW, "exec", "p", "-c", "two", "--", "echo", "hi")
    assert other.stdout == b"hi\n"
    for path, message in (
        (
            "exec?command=ls&stdout=1",
            "a container name must be specified for pod p, choose one of: [main two]",
        ),
        ("exec?command=ls&stdout=1&container=no", "container no is not valid for pod p"),
        ("exec?command=ls&stdout=1&container=two", "Upgrade request required"),
        ("portforward?ports=x", 'cannot convert to []int32: strconv.ParseUint: parsing "x": invalid syntax'),
    ):
        answer = cluster.http.get(f"{POD.path(ns, 'p')}/{path}")
        assert (answer.status_code, answer.json()["message"]) == (400, message)
    ended = once(shell("exit 0"))
    cluster.run_pod("done", ns, ended)
    cluster.ended("done", ns)
    done = run(cluster, ns, NEW, "exec", "done", "--", "ls")
    assert b"cannot exec into a container in a completed pod; current phase is Succeeded" in done.stderr


# -- terminals


@contextmanager
def terminal(command: list[str]) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A program at a terminal of 100 x 30 characters."""
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", "100", "rows", "30"], stdin=slave, check=True)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        yield master, process
    finally:
        process.kill()
        process.wait()
        os.close(master)


def expect(master: int, text: str, seconds: float = 20) -> str:
    """Read until `text` comes."""
    seen = ""
    while text not in seen:
        ready, _, _ = select.select([master], [], [], seconds)
        assert ready, f"no {text!r} in {seen!r}"
        try:
            seen += os.read(master, 65536).decode(errors="replace")
        except OSError:
            raise AssertionError(f"the terminal closed without {text!r}: {seen!r}") from None
    return seen


@VERSIONS
def test_exec_at_a_terminal(cluster: NodeCluster, ns: str, kubectl: Path) -> None:
    running(cluster, ns)
    with terminal(words(cluster, ns, kubectl, "exec", "-it", "p", "--", "bash", "--norc")) as (
        master,
        process,
    ):
        expect(master, "$ ")
        os.write(master, b"tty; echo si''ze $(stty size)\n")
        seen = expect(master, "size 30 100")
        assert "/dev/pts/" in seen
        assert "job control" not in seen
        # What says that it runs is in the foreground by then: before that, ^C would be for the shell.
        os.write(master, b"sh -c 'echo sl\"\"eeps; exec sleep 1000'\n")
        expect(master, "sleeps\r\n")
        os.write(master, b"\x03")
        # What is typed while the shell takes its terminal back may be lost.
        if "$ " not in expect(master, "^C").partition("^C")[2]:
            expect(master, "$ ")
        # The size changes while a command runs: at its prompt readline reads the size and writes it back, and may undo that.
        os.write(
            master, b"echo bu''sy; until [ \"$(stty size)\" = '40 120' ]; do :; done; echo ne''w; exit 5\n"
        )
        expect(master, "busy")
        subprocess.run(["stty", "cols", "120", "rows", "40"], stdin=master, check=True)
        for _ in range(30):
            # kubectl does not have the terminal as its controlling one, and drops a size while another is on its way.
            os.kill(process.pid, signal.SIGWINCH)
            if select.select([master], [], [], 1)[0]:
                break
        expect(master, "new")
        assert process.wait(20) == 5


def test_a_killed_client_hangs_up(cluster: NodeCluster, ns: str) -> None:
    running(cluster, ns)
    with terminal(
        words(cluster, ns, NEW, "exec", "-it", "p", "--", "sh", "-c", "echo re''ady; sleep 12345")
    ) as (master, process):
        expect(master, "ready")
        process.kill()

    def gone() -> bool:
        return (
            run(
                cluster, ns, NEW, "exec", "p", "--", "sh", "-c", "grep -l 1234[5] /proc/[0-9]*/cmdline"
            ).returncode
            != 0
        )

    until(gone, "the end of the program whose terminal hung up")


# -- cp


@VERSIONS
def test_cp_both_ways(cluster: NodeCluster, ns: str, kubectl: Path, tmp_path: Path) -> None:
    running(cluster, ns)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    data = os.urandom(3 * 1024 * 1024)
    (tmp_path / "in" / "deep" / "file").write_bytes(data)
    assert run(cluster, ns, kubectl, "cp", str(tmp_path / "in"), "p:/tmp/there").returncode == 0
    done = run(cluster, ns, kubectl, "cp", "p:/tmp/there", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back" / "deep" / "file").read_bytes() == data


# -- attach


@VERSIONS
def test_attach_feeds_stdin_once(cluster: NodeCluster, ns: str, kubectl: Path) -> None:
    running(cluster, ns, {"name": "main", "image": IMAGE, "command": ["sh", "-c", "while read x; do echo got $x; done; echo end"],
                          "stdin": True, "stdinOnce": True})  # fmt: skip
    done = run(cluster, ns, kubectl, "attach", "-i", "p", stdin=b"one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"got one\ngot two\nend\n"
    assert state(cluster.ended("p", ns))["terminated"]["exitCode"] == 0
    assert cluster.logs("p", ns) == "got one\ngot two\nend\n"


def test_attach_to_a_terminal(cluster: NodeCluster, ns: str) -> None:
    running(
        cluster,
        ns,
        {"name": "main", "image": IMAGE, "command": ["bash", "--norc"], "stdin": True, "tty": True},
    )
    with terminal(words(cluster, ns, NEW, "attach", "-it", "p")) as (master, process):
        os.write(master, b"\necho he''re $(stty size)\n")
        seen = expect(master, "here 30 100")
        assert "job control" not in seen
        os.write(master, b"exit 4\n")
        process.wait(20)
    assert state(cluster.ended("p", ns))["terminated"]["exitCode"] == 4


# -- port-forward


@contextmanager
def forwarded(cluster: NodeCluster, ns: str, kubectl: Path, port: int, **env: str) -> Iterator[int]:
    command = words(cluster, ns, kubectl, "port-forward", "p", f":{port}")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **env}
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            yield int(line.split("127.0.0.1:")[1].split(" ")[0])
        finally:
            process.kill()


@VERSIONS
def test_port_forward_many_requests(cluster: NodeCluster, ns: str, kubectl: Path) -> None:
    """The newest kubectl into a network of the pod's own, the old one into the node's."""
    _many_requests(cluster, ns, kubectl, own_network=kubectl == NEW)


def _many_requests(cluster: NodeCluster, ns: str, kubectl: Path, *, own_network: bool) -> None:
    if own_network:
        cluster.create(policy(ns, []))
    running(cluster, ns, {"name": "main", "image": IMAGE, "command": ["sh", "-c",
            f'cd /tmp; head -c 2000000 /dev/urandom > big; echo hello > small; exec python -c "{SERVER}"']})  # fmt: skip
    until(lambda: run(cluster, ns, NEW, "exec", "p", "--", "python", "-c",
                      "import socket; socket.create_connection(('127.0.0.1', 8901))").returncode == 0, "the server")  # fmt: skip
    digest = run(cluster, ns, NEW, "exec", "p", "--", "sha256sum", "/tmp/big").stdout.split()[0].decode()

    def fetch(port: int, name: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=30) as answer:
            return bytes(answer.read())

    for more in ({}, {"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}):
        with forwarded(cluster, ns, kubectl, 8901, **more) as port, ThreadPoolExecutor(8) as pool:
            small = list(pool.map(lambda _, port=port: fetch(port, "small"), range(40)))
            assert small == [b"hello\n"] * 40
            for content in pool.map(lambda _, port=port: fetch(port, "big"), range(6)):
                assert hashlib.sha256(content).hexdigest() == digest


def test_port_forward_to_nothing_says_so(cluster: NodeCluster, ns: str) -> None:
    running(cluster, ns)
    command = words(cluster, ns, NEW, "port-forward", "p", ":8999")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = int(process.stdout.readline().decode().split("127.0.0.1:")[1].split(" ")[0])
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
        told = process.stderr.readline().decode() + process.stderr.readline().decode()
        process.kill()
    assert "error forwarding port 8999 to pod p" in told
    assert "connect: connection refused" in told


# -- rights


def test_a_websocket_needs_the_right_to_create(cluster: NodeCluster, ns: str) -> None:
    running(cluster, ns)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": ns},
            "rules": [{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get"]}]}  # fmt: skip
    cluster.create(role)
    cluster.create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "r", "namespace": ns},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
                    "subjects": [{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}]})  # fmt: skip
    done = run(cluster, ns, NEW, "--as", "reader", "exec", "p", "--", "id")
    assert done.returncode == 1
    assert b'pods "p" is forbidden' in done.stderr
