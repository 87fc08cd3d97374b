"""What the controllers say of an agent's endpoint, under the rights that the install gives them."""

import base64
from typing import Any

import pytest

from cluster.control_support import SYSTEM, Control, control, ns
from sympozium.api.endpoint import digest
from sympozium.controllers.endpoint import LOOK_AGAIN
from sympozium.testing.client import Object
from sympozium.testing.resources import CONFIG_MAP, INSTANCE, SECRET

__all__ = ["control", "ns"]

HMAC = b"k" * 32
KEY = "a-key-of-my-own-choice"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def secret(control: Control, namespace: str, name: str, **data: str | bytes) -> None:
    values = {key.replace("_", "."): b64(value) for key, value in data.items()}
    meta = {"name": name, "namespace": namespace}
    control.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": values})


@pytest.fixture
def server(control: Control) -> None:
    secret(control, SYSTEM, "sympozium-server", endpoint_key=HMAC)
    meta = {"name": "sympozium-server", "namespace": SYSTEM}
    data = {"url": "http://127.0.0.1:8080"}
    control.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def endpoint(control: Control, ns: str, state: str, name: str = "sre", **fields: Any) -> Object:
    """The status, when it has a state and these fields."""

    def found(obj: Object) -> Object:
        return (obj.get("status") or {}).get("webEndpoint") or {}

    def fits(obj: Object) -> bool:
        return found(obj).get("status") == state and fields.items() <= found(obj).items()

    return found(control.wait(INSTANCE, name, fits, ns, timeout=LOOK_AGAIN + 15))


def decoded(control: Control, ns: str, name: str) -> str:
    return base64.b64decode(control.get(SECRET, name, ns)["data"]["token"]).decode()


def test_an_endpoint_has_a_key_that_nobody_chose(control: Control, ns: str, server: None) -> None:
    made = control.instance(ns, webEndpoint={"enabled": True})
    status = endpoint(control, ns, "Ready")
    key = decoded(control, ns, "sre-endpoint")
    assert len(key) >= 40
    assert status == {
        "status": "Ready",
        "url": f"http://127.0.0.1:8080/agents/{ns}/sre",
        "authSecretName": "sre-endpoint",
        "keyDigest": digest(HMAC, ns, "sre", key),
    }
    [owner] = control.get(SECRET, "sre-endpoint", ns)["metadata"]["ownerReferences"]
    assert owner["uid"] == made["metadata"]["uid"]
    # Switched off, there is no word of it; on again, it has the same key.
    control.instance(ns)
    control.wait(INSTANCE, "sre", lambda o: "webEndpoint" not in o["status"], ns)
    control.instance(ns, a2a={"enabled": True})
    assert endpoint(control, ns, "Ready")["keyDigest"] == status["keyDigest"]


def test_a_key_of_ones_own_and_its_exchange(control: Control, ns: str, server: None) -> None:
    control.instance(ns, webEndpoint={"enabled": True, "authSecretRef": "mine"})
    assert "Secret mine is not in namespace" in endpoint(control, ns, "Error")["message"]
    secret(control, ns, "mine", token="short")
    control.instance(ns, webEndpoint={"enabled": True, "authSecretRef": "mine", "hostname": "x.localhost"})
    status = endpoint(
        control, ns, "Error", message="Secret mine: token has 5 characters, and a key has 16 or more"
    )
    assert status.keys() == {"status", "authSecretName", "message"}
    secret(control, ns, "mine", token=KEY)
    status = endpoint(control, ns, "Ready", keyDigest=digest(HMAC, ns, "sre", KEY))
    assert "message" not in status


def test_a_secret_of_that_name_which_is_somebody_elses_is_not_used(
    control: Control, ns: str, server: None
) -> None:
    secret(control, ns, "sre-endpoint", token=KEY)
    control.instance(ns, webEndpoint={"enabled": True})
    status = endpoint(control, ns, "Error")
    assert "Secret sre-endpoint is there and is not this instance's" in status["message"]
    assert "keyDigest" not in status
    assert decoded(control, ns, "sre-endpoint") == KEY


def test_a_host_name_is_the_first_ones(control: Control, ns: str, server: None) -> None:
    """Also against an agent that is older, and wants it later."""
    control.instance(ns, "older", webEndpoint={"enabled": True})
    endpoint(control, ns, "Ready", "older")
    name = f"{ns}.localhost"
    control.instance(ns, "first", webEndpoint={"enabled": True, "hostname": name})
    endpoint(control, ns, "Ready", "first", hostname=name, url=f"http://{name}:8080")
    control.instance(ns, "older", webEndpoint={"enabled": True, "hostname": name})
    status = endpoint(
        control, ns, "Ready", "older", message=f"hostname {name} is another agent's already: choose another"
    )
    assert "hostname" not in status
    assert status["url"].endswith(f"/agents/{ns}/older")
    control.instance(ns, "third", webEndpoint={"enabled": True, "hostname": "bot.example.org"})
    status = endpoint(control, ns, "Ready", "third")
    assert "bot.example.org is none that agents may have" in status["message"]


def test_without_an_api_server_there_is_no_endpoint(control: Control, ns: str, server: None) -> None:
    control.delete(CONFIG_MAP, "sympozium-server", SYSTEM)
    control.instance(ns, webEndpoint={"enabled": True})
    assert "ConfigMap sympozium-server" in endpoint(control, ns, "Error")["message"]
