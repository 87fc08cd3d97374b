"""`sympozium init`: from nothing to a first run, in a script and at a terminal."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from e2e.support import say
from e2e.terminal import Terminal
from sympozium.testing import ScriptedModel
from sympozium.testing.client import ApiError, Client
from sympozium.testing.resources import POD, SECRET, SYMPOZIUM_CONFIG
from sympozium.up.identities import kubeconfig, server_of

SYSTEM = "sympozium-system"
KEY = "sk-canary-of-init"
COMMAND = [sys.executable, "-m", "sympozium"]


class Newcomer:
    """Somebody with nothing but the program: an empty home, no kubeconfig."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.machine = home / ".sympozium"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_") and k != "KUBECONFIG"}
        self.environ = {**kept, "HOME": str(home), "SYMPOZIUM_HOME": str(self.machine), "MY_KEY": KEY}

    def run(self, *arguments: str, code: int = 0, kubeconfig: Path | None = None) -> str:
        environ = self.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
        try:
            done = subprocess.run(
                [*COMMAND, *arguments], env=environ, capture_output=True, text=True, timeout=180, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise AssertionError(f"{exc}: {exc.stdout!r} {exc.stderr!r}") from exc
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def client(self) -> Client:
        return Client(self.machine / "kubeconfig")


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(say({"say": "Hello from the script."}), api_key=KEY) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[Newcomer]:
    """After `init --yes` with a model of their own, on ports that are free."""
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer"))
    newcomer.run("up", "--detach", "--port", "0")
    yield newcomer
    newcomer.run("down")


def test_without_a_terminal_and_without_answers_it_says_how(newcomer: Newcomer) -> None:
    said = newcomer.run("init", code=2)
    assert "--yes" in said


@pytest.fixture(scope="module")
def chosen(newcomer: Newcomer, model: ScriptedModel) -> str:
    """What `init` says to a script with all answers."""
    return newcomer.run(
        "init", "--yes", "--base-url", model.base_url, "--key-env", "MY_KEY", "--task", "Say hello.",
        "--pack", "platform-team", "--instance", "platform-team-sre-agent",
    )  # fmt: skip


def test_a_script_gets_from_nothing_to_a_run(newcomer: Newcomer, chosen: str) -> None:
    assert "It works: scripted said 'Hello from the script.'" in chosen
    assert "Succeeded" in chosen
    assert KEY not in chosen
    with closing(newcomer.client()) as client:
        spec = client.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]
        assert (spec["model"], spec["provider"]) == ("scripted", "openai")
        for namespace in ("default", SYSTEM):
            assert client.get(SECRET, "sympozium-llm-key", namespace)["data"]


@pytest.mark.usefixtures("chosen")
def test_a_wrong_key_is_told_and_changes_nothing(newcomer: Newcomer, model: ScriptedModel) -> None:
    with closing(newcomer.client()) as client:
        before = client.get(SECRET, "sympozium-llm-key", "default")["metadata"]["resourceVersion"]
        newcomer.environ["WRONG"] = "sk-wrong"
        said = newcomer.run("init", "--yes", "--base-url", model.base_url, "--key-env", "WRONG", code=1)
        assert "refuses the key (401)" in said
        assert client.get(SECRET, "sympozium-llm-key", "default")["metadata"]["resourceVersion"] == before


@pytest.mark.usefixtures("chosen")
def test_at_a_terminal_each_question_has_an_answer_already(newcomer: Newcomer, model: ScriptedModel) -> None:
    with Terminal([*COMMAND, "init"], newcomer.environ) as terminal:
        terminal.expect("Which one?")
        terminal.send("2\n" if "Ollama" not in terminal.text else "3\n")
        terminal.expect("Address")
        terminal.send(model.base_url + "\n")
        terminal.expect("Key")
        terminal.send(KEY + "\n")
        terminal.expect("Provider")
        terminal.send("\n")
        terminal.expect("It works: scripted said")
        terminal.expect("Enabled here: platform-team")
        terminal.expect("Which agent?")
        terminal.send("2\n")
        terminal.expect("Task")
        terminal.send("Say hello.\n")
        terminal.expect("■ Succeeded")
        assert terminal.wait() == 0
        assert KEY not in terminal.text


def test_ctrl_c_at_a_question_ends_it(newcomer: Newcomer) -> None:
    with Terminal([*COMMAND, "init"], newcomer.environ) as terminal:
        terminal.expect("Which one?")
        terminal.send("\x03")
        assert terminal.wait() == 130


@pytest.fixture(scope="module")
def started_again(newcomer: Newcomer, chosen: str) -> str:
    """What `up` says at the next start, after a choice; this time there are users."""
    assert chosen
    newcomer.run("down")
    users = newcomer.home / "users.csv"
    users.write_text('word-of-alice,alice,1,"devs"\n')
    return newcomer.run("up", "--detach", "--port", "0", "--token-auth-file", str(users))


def test_the_next_start_keeps_what_was_chosen(newcomer: Newcomer, started_again: str) -> None:
    assert "model: scripted (openai), as it was chosen" in started_again
    with closing(newcomer.client()) as client:
        assert client.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]["model"] == "scripted"


@pytest.mark.usefixtures("started_again")
def test_users_of_a_token_file_are_known(newcomer: Newcomer) -> None:
    config = newcomer.home / "alice.kubeconfig"
    config.write_text(
        kubeconfig(
            *server_of(newcomer.machine / "kubeconfig"), {"token": "word-of-alice"}, namespace="default"
        )
    )
    with closing(Client(config)) as alice:
        whoami = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = alice.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", whoami)
        assert said["status"]["userInfo"]["username"] == "alice"
        with pytest.raises(ApiError) as refused:
            alice.items(POD, "default")
        assert refused.value.code == 403


def test_an_ordinary_user_is_told_what_they_may_not_do(newcomer: Newcomer, model: ScriptedModel) -> None:
    with closing(newcomer.client()) as client:
        before = client.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["metadata"]["resourceVersion"]
        kubeconfig = _somebody(client, newcomer)
        said = newcomer.run(
            "init",
            "--yes",
            "--base-url",
            model.base_url,
            "--key-env",
            "MY_KEY",
            code=1,
            kubeconfig=kubeconfig,
        )
        assert "forbidden" in said
        assert "secrets" in said
        assert client.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["metadata"]["resourceVersion"] == before


def _somebody(client: Client, newcomer: Newcomer) -> Path:
    """A kubeconfig of somebody who may edit the namespace `default`, and nothing else."""
    client.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "somebody"}})
    client.create({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "somebody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "somebody", "namespace": "default"}],
    })  # fmt: skip
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = client.request("POST", "/api/v1/namespaces/default/serviceaccounts/somebody/token", body)
    config = yaml.safe_load((newcomer.machine / "kubeconfig").read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    path = newcomer.home / "somebody.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
