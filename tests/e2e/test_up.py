"""`sympozium up` and `down` as a person meets them: what cannot be is one line with the cure."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from sympozium.testing import Cluster
from sympozium.up.ports import pick


def _sympozium(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "sympozium", *arguments],
        env=clean | environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def _one_line(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1, done
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


def test_a_model_endpoint_that_does_not_answer_is_not_replaced(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{pick()}/v1"
    done = _sympozium(
        "up",
        "--detach",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "d"),
        OPENAI_BASE_URL=url,
        OPENAI_API_KEY="k",
    )
    line = _one_line(done)
    assert url in line
    assert "OPENAI_MODEL" in line


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = _one_line(_sympozium("up", "--detach", "--port", port, "--data-dir", str(tmp_path / "d")))
    assert port in line
    assert "--port 0" in line


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in _one_line(_sympozium("up", "--detach", "--data-dir", str(tmp_path / "file")))


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    line = _one_line(_sympozium("up", "--data-dir", str(tmp_path / "d"), "--token-auth-file", "/nowhere.csv"))
    assert "/nowhere.csv" in line


def test_up_again_says_that_it_runs_and_down_twice_is_no_error(
    sympozium_cluster: Cluster, tmp_path: Path
) -> None:
    root = str(sympozium_cluster.data.root)
    assert "already running" in _sympozium("up", "--detach", "--data-dir", root).stdout
    assert root in _one_line(_sympozium("up", "--data-dir", root))
    nothing = _sympozium("down", "--data-dir", str(tmp_path))
    assert (nothing.returncode, "not running" in nothing.stdout) == (0, True)
