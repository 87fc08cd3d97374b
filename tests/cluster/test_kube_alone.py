"""`sympozium kube` and the fixtures of the embedded API alone, as their users have them."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sympozium.testing import ApiError
from sympozium.testing.kube import KubeAPI
from sympozium.testing.waiting import until

pytest_plugins = ["pytester"]


def kube(*arguments: str, tmp: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "sympozium", "kube", *arguments],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "TMPDIR": str(tmp)},
    )  # fmt: skip


def test_a_command_gets_a_cluster_and_nothing_stays(tmp_path):
    done = kube("--", "kubectl", "create", "namespace", "mine", tmp=tmp_path)
    assert (done.returncode, done.stdout) == (0, "namespace/mine created\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143)])
def test_the_exit_code_is_the_commands(tmp_path, script, code):
    assert kube("--", "sh", "-c", script, tmp=tmp_path).returncode == code
    assert list(tmp_path.iterdir()) == []


def test_objects_stay_in_a_data_directory(tmp_path):
    data = ("--data-dir", str(tmp_path / "data"))
    assert kube(*data, "--", "kubectl", "create", "configmap", "a", tmp=tmp_path).returncode == 0
    assert (
        kube(*data, "--", "kubectl", "get", "cm", "a", "-o", "name", tmp=tmp_path).stdout == "configmap/a\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--", "no-such-program"], "error: no-such-program: No such file", 127),
        (["--token-auth-file", "/no/such", "--", "true"], "error: --token-auth-file /no/such: there is no such file", 2),
        (["--write-kubeconfig", "/no/such/dir/k", "--", "true"], "error: --write-kubeconfig /no/such/dir/k", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(tmp_path, arguments, said, code):
    done = kube(*arguments, tmp=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_the_command(tmp_path, number):
    kubeconfig = tmp_path / "kubeconfig"
    with subprocess.Popen(
        [sys.executable, "-m", "sympozium", "kube", "--write-kubeconfig", str(kubeconfig)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        for _ in range(2):
            process.stdout.readline()
        assert oct(kubeconfig.stat().st_mode & 0o777) == "0o600"
        process.send_signal(number)
        assert process.wait(30) == (-9 if number == signal.SIGKILL else 0)
    until(lambda: not _answers(kubeconfig), f"{url} is gone")


def _answers(kubeconfig: Path) -> bool:
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(kubeconfig), "get", "--raw", "/livez", "--request-timeout", "5s"],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def test_the_fixtures_of_the_docs_page(pytester: pytest.Pytester, monkeypatch):
    """The example of docs/embedded-api.md, run as it stands there."""
    page = (Path(__file__).parents[2] / "docs/embedded-api.md").read_text()
    block = page.split("## In pytest\n", 1)[1].split("\n| fixture", 1)[0]
    lines = [line[4:] for line in block.splitlines() if line.startswith("    ") or not line]
    text = "\n".join(lines)
    conftest, test = text.split("# test_mine.py")
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    pytester.makeconftest(conftest)
    pytester.makepyfile(test)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist")
    result.assert_outcomes(passed=1)


def test_a_client_finds_any_kind_and_a_crash_keeps_objects(tmp_path):
    with KubeAPI(tmp_path / "kube") as api:
        api.create(
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
        )
        api.restart(crash=True)
        assert api.kubectl("get", "lease", "l", "-o", "name") == "lease.coordination.k8s.io/l\n"
        with pytest.raises(ValueError, match="no kind Nothing"):
            api.create({"apiVersion": "v1", "kind": "Nothing", "metadata": {"name": "l"}})
        with api.client_for("alice-token") as alice:
            assert alice.get("/api/v1/namespaces").status_code == 403
        with pytest.raises(ApiError, match="not found"):
            api.request("GET", "/api/v1/namespaces/none")
