"""Kubeconfigs are found and merged as kubectl does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sympozium.kube import kubeconfig
from sympozium.kube.errors import ConfigError
from unit.kube.scripted import serving


def write(
    path: Path, *, server: str = "https://one:6443", name: str = "c", user: Any = None, **extra: Any
) -> Path:
    document = {
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **extra}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_the_current_context_counts(tmp_path: Path) -> None:
    access = kubeconfig.load(write(tmp_path / "k", namespace="team"))
    assert (access.server, access.namespace) == ("https://one:6443", "team")
    assert "one" not in repr(access.user)


def test_files_of_the_variable_are_merged_and_the_first_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / "a" / "k", name="one", user={"tokenFile": "t"})
    second = write(tmp_path / "b" / "k", name="two", server="https://two:1")
    third = write(tmp_path / "c" / "k", name="one", server="https://never:1")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path}/absent:{second}:{third}")
    assert kubeconfig.load().server == "https://one:6443"
    assert kubeconfig.load().user["tokenFile"] == str(tmp_path / "a" / "t")
    assert kubeconfig.load(context="two").server == "https://two:1"


def test_yaml_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text(
        "current-context: x\ncontexts: [{name: x, context: {cluster: x}}]\nclusters: [{name: x, cluster: {server: 'http://h:1'}}]\n"
    )
    assert kubeconfig.load(path).auth() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "no current-context"),
        ("[", "not YAML"),
        ("", "empty"),
        ('{"current-context": "x"}', "no context 'x'; there are none"),
        ('{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"y"}}]}', "no cluster 'y'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "k").write_text(content)
    with pytest.raises(ConfigError, match=words):
        kubeconfig.load(tmp_path / "k")


def test_nothing_at_all_says_where_was_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="KUBECONFIG is not set"):
        kubeconfig.load()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nope"))
    with pytest.raises(ConfigError, match="names no file that exists"):
        kubeconfig.load()


def test_in_a_pod_its_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, text in (("token", "t"), ("namespace", "ns\n"), ("ca.crt", "")):
        (tmp_path / file).write_text(text)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = kubeconfig.load()
    assert (access.server, access.namespace) == ("https://[fd00::1]:443", "ns")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a user that nobody knows")
def test_in_a_pod_whose_user_has_no_name_and_no_home_its_account_is_used(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from sympozium.cli.place import own_kubeconfig
from sympozium.kube import kubeconfig
os.setuid(65532)
kubeconfig.SERVICE_ACCOUNT = Path(sys.argv[1])
print(own_kubeconfig(), kubeconfig.load().server)
"""
    for file in ("token", "namespace", "ca.crt"):
        (tmp_path / file).write_text("x")
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env={"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["None", "https://10.96.0.1:443"], done.stderr


async def test_a_credential_plugin_is_asked_and_its_token_kept(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        '#!/bin/sh\necho called >> "$LOG"\n'
        'echo "{\\"status\\":{\\"token\\":\\"$PREFIX-$(wc -l < "$LOG")\\"}}"\n'
    )
    plugin.chmod(0o755)
    env = [{"name": "LOG", "value": str(tmp_path / "log")}, {"name": "PREFIX", "value": "token"}]
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "env": env}
    async with (
        serving(lambda a: (200, {"auth": a.headers["authorization"]})) as api,
        api.client(exec=command) as client,
    ):
        answers = [await client.request("GET", "/x") for _ in range(2)]
    assert answers == [{"auth": "Bearer token-1"}] * 2


async def test_a_missing_plugin_is_named(tmp_path: Path) -> None:
    command = {"command": str(tmp_path / "nope"), "installHint": "apt install nope"}
    async with serving(lambda _: (200, {})) as api, api.client(exec=command) as client:
        with pytest.raises(ConfigError, match="apt install nope"):
            await client.request("GET", "/x")
