"""How a part of the control plane says that it cannot start."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium.cli.failures import EXIT_ERROR, EXIT_USAGE, CommandError
from sympozium.cli.serve import _start_in_words
from sympozium.kube.errors import ConfigError

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: c, user: {}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
"""


def test_a_port_in_use_is_one_line_of_a_process(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(_KUBECONFIG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "sympozium", "serve", "egress", "--health-port", str(port)],
            env={**os.environ, "KUBECONFIG": str(config)}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == EXIT_ERROR
    assert done.stderr.startswith("error: cannot listen: ")
    assert str(port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("no kubeconfig"), EXIT_USAGE, "no kubeconfig"),
        (PermissionError(errno.EACCES, "port 80: not allowed"), EXIT_ERROR, "cannot listen: port 80: not allowed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("deep", [0, 2])
def test_what_keeps_a_part_from_starting_is_said_in_words(
    error: Exception, code: int, words: str, deep: int
) -> None:
    for _ in range(deep):
        error = ExceptionGroup("of a task group", [error])
    with pytest.raises(CommandError, match=f"^{words}") as raised, _start_in_words():
        raise error
    assert raised.value.code == code


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no space"),
        KeyError("a fault of ours"),
        ExceptionGroup("two", [ConfigError("no kubeconfig"), KeyError("a fault of ours")]),
    ],
)
def test_a_fault_keeps_its_stack(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, _start_in_words():
        raise error
    assert raised.value is error
