"""The bus of one machine: its keys, its configuration, and the objects by which the others find it.

The keys are made once and kept beside the configuration, since nats-server starts before there is an API that
could hold a Secret; the Secrets are copies. A second `up` finds the same keys and the same users.
"""

import base64
import json

from sympozium.bus import server
from sympozium.bus.keyring import Keyring
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.privatefile import write_private
from sympozium.up.apiclient import InstallError, Object
from sympozium.up.paths import DataDir

KEYRING_FILE = "keyring.json"


def prepare(data: DataDir, port: int) -> list[Object]:
    """Write `bus/keyring.json` (once) and `bus/nats.conf`; returns the objects of docs/contracts.md.

    Raises InstallError when the keys that are there cannot be read: new ones would orphan every history.
    """
    keyring = load_or_make(data)
    server.prepare(keyring, data.bus, port)
    return objects(keyring, f"nats://127.0.0.1:{port}")


def load_or_make(data: DataDir) -> Keyring:
    path = data.bus / KEYRING_FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        keyring = Keyring.generate()
        write_private(path, json.dumps(keyring.secret()))
        return keyring
    try:
        return Keyring.from_secret(json.loads(text))
    except (ValueError, KeyError, TypeError) as exc:
        raise InstallError(
            f"{path} does not hold the keys of the bus ({exc!r}): restore it, or remove {data.root} to start anew"
        ) from exc


def objects(keyring: Keyring, url: str) -> list[Object]:
    """The Secrets `sympozium-bus-{operator,controller,reader}` and the ConfigMap `sympozium-bus`."""
    return [
        _secret("sympozium-bus-operator", keyring.secret()),
        _secret("sympozium-bus-controller", {"user.creds": keyring.controller_user().creds}),
        _secret("sympozium-bus-reader", {"user.creds": keyring.reader_user().creds}),
        _object(
            "ConfigMap",
            "sympozium-bus",
            {"url": url, "controllerKey": keyring.controller_public, "recordKey": keyring.record_public},
        ),
    ]


def _secret(name: str, content: dict[str, str]) -> Object:
    # Not `stringData`: server-side apply would own that, and not the data that it becomes.
    return _object("Secret", name, {k: base64.b64encode(v.encode()).decode() for k, v in content.items()})


def _object(kind: str, name: str, data: dict[str, str]) -> Object:
    metadata = {
        "name": name,
        "namespace": SYSTEM_NAMESPACE,
        "labels": {"sympozium.ai/component": "bus"},
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
