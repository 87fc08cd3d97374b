"""What `up` does with an HTTP client: install into the API of this machine, as a chart would.

    python -m sympozium.up.install all DATA_DIR --ports JSON --base-url URL --model M --provider P
    python -m sympozium.up.install tokens DATA_DIR

Each step is safe to do again: a second `up` on the same data finds everything as it is. Steps are
reported on standard output, a word a line (`bus`, `identities`), for the supervisor to start what has
become possible. Failures are one line on standard error.
"""

import argparse
import base64
import json
import os
import secrets
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import yaml

from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.privatefile import write_private
from sympozium.up.apiclient import Api, InstallError, Object
from sympozium.up.components import NODE_NAME
from sympozium.up.identities import (
    SERVICE_ACCOUNTS,
    TOKEN_SECONDS,
    kubeconfig,
    write_token,
)
from sympozium.up.paths import DataDir
from sympozium.up.readiness import Waiting

MODEL_SECRET = "sympozium-llm-key"  # noqa: S105 - a name
MODEL_CHOSEN = "sympozium.ai/model-chosen"
PEOPLE_NAMESPACE = "default"
SERVER = "sympozium-server"
SERVER_KEYS = ("session.key", "endpoint.key")
"""32 random bytes each: of sessions in browsers, and of the digests of the endpoints' keys."""
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Installer:
    """One data directory, one API."""

    def __init__(self, data: DataDir, ports: dict[str, int]) -> None:
        self.data = data
        self.ports = ports
        self.waiting = Waiting(data)
        self._plurals: dict[str, dict[str, Object]] = {}
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        if self._api is None:
            self.waiting.for_api(self.ports["api"])
            self._api = Api(self.data.kubeconfig)
        return self._api

    # -- the steps

    def all(self, base_url: str, model: str, provider: str, api_key: str) -> None:
        bus = self.prepare_bus()
        report("bus")
        self.apply_all(_install_documents(self.ports["webhook"]))
        self.apply_all(_custom_resource_definitions())
        self.server()
        self.tokens()
        self.node_identity()
        self.apply_all(bus)
        report("identities")
        self.waiting.for_health("webhook", self.ports["webhook-health"])
        self.apply_all(_catalogue())
        self.model(base_url, model, provider, api_key)
        for part in ("controllers", "node", "apiserver"):
            self.waiting.for_health(part, self.ports[f"{part}-health"])
        self.waiting.for_node(self.api, NODE_NAME)

    def prepare_bus(self) -> list[Object]:
        """The keys and the configuration of nats-server; returns the objects that hold them for others."""
        from sympozium.up.bus import prepare

        return prepare(self.data, self.ports["bus"])

    def server(self) -> None:
        """The keys of the API server, made once, and where it is found."""
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{SERVER}"
        metadata = {
            "name": SERVER,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {"sympozium.ai/component": "apiserver"},
        }
        if self.api.get(path) is None:
            keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SERVER_KEYS}
            self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": keys})
        where = {"url": f"http://127.0.0.1:{self.ports['apiserver']}"}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": where})

    def tokens(self) -> None:
        """Mint the token of each component anew."""
        for component, account in SERVICE_ACCOUNTS.items():
            path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{account}/token"
            request = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            }
            answer = self.api.create(path, request)
            if answer is None:
                raise InstallError(f"{path}: the API did not mint a token")
            token = answer["status"]["token"]
            write_token(self.data.identities, component, token, self.api.server, self.api.ca)

    def node_identity(self) -> None:
        """Client certificate of the node, and the serving certificate of its log endpoint."""
        from sympozium.localkube.access.pki import CertificateAuthority

        authority = CertificateAuthority(self.data.pki)
        name = f"system:node:{NODE_NAME}"
        pair = authority.issue(name, ["system:nodes"], self.data.identities / "node-client")
        authority.issue_server(
            "node-serving", ["127.0.0.1", NODE_NAME],
            path=self.data.identities / "node-serving", cn=name, orgs=["system:nodes"],
        )  # fmt: skip
        user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        write_private(
            self.data.identities / "node.kubeconfig",
            kubeconfig(self.api.server, self.api.ca, user, namespace="default"),
        )

    def model(self, base_url: str, model: str, provider: str, api_key: str) -> None:
        """The Secret that agents take their key and endpoint from, and the installation's defaults.

        Where a person chose a model (`sympozium.actions.setup`), that stays, unless the environment names another.
        """
        if not os.environ.get("OPENAI_BASE_URL") and (kept := self._chosen()):
            report(f"model {kept}")
            return
        for namespace in (PEOPLE_NAMESPACE, SYSTEM_NAMESPACE):
            self.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": MODEL_SECRET, "namespace": namespace},
                    "stringData": {"OPENAI_API_KEY": api_key, "OPENAI_BASE_URL": base_url},
                }
            )
        self.apply(
            {
                "apiVersion": "sympozium.ai/v1alpha1",
                "kind": "SympoziumConfig",
                "metadata": {"name": "default", "namespace": SYSTEM_NAMESPACE},
                "spec": {"model": model, "provider": provider, "authRefs": [{"secret": MODEL_SECRET}]},
            }
        )

    def _chosen(self) -> str:
        """The model that a person chose, in words; empty where nobody did."""
        path = f"/apis/sympozium.ai/v1alpha1/namespaces/{SYSTEM_NAMESPACE}/sympoziumconfigs/default"
        config = self.api.get(path) or {}
        if MODEL_CHOSEN not in (config.get("metadata", {}).get("annotations") or {}):
            return ""
        return f"{config['spec'].get('model')} ({config['spec'].get('provider')}), as it was chosen"

    # -- applying

    def apply_all(self, objects: Iterable[Object]) -> None:
        for obj in objects:
            self.apply(obj)

    def apply(self, obj: Object) -> None:
        """Server-side apply, at the place that discovery names for its kind."""
        kind, metadata = obj["kind"], obj["metadata"]
        resource = self._resource(obj["apiVersion"], kind)
        scope = f"/namespaces/{metadata.get('namespace', PEOPLE_NAMESPACE)}" if resource["namespaced"] else ""
        self.api.apply(f"{_root(obj['apiVersion'])}{scope}/{resource['name']}/{metadata['name']}", obj)

    def _resource(self, api_version: str, kind: str) -> Object:
        if kind not in self._plurals.get(api_version, {}):
            found = self.api.get(_root(api_version)) or {"resources": []}
            self._plurals[api_version] = {r["kind"]: r for r in found["resources"] if "/" not in r["name"]}
        try:
            resource: Object = self._plurals[api_version][kind]
        except KeyError:
            raise InstallError(f"the API serves no {kind} in {api_version}") from None
        return resource


def report(step: str) -> None:
    """Tell the supervisor."""
    print(step, flush=True)  # noqa: T201 - this is the protocol


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _custom_resource_definitions() -> list[Object]:
    """The generated files, not the models: reading them costs a tenth of importing pydantic."""
    directory = resources.files("sympozium.api") / "crds"
    files = sorted((f for f in directory.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return [yaml.load(f.read_text(), Loader=_YAML_LOADER) for f in files]  # noqa: S506 - a safe loader, ours


def _install_documents(webhook_port: int) -> list[Object]:
    from sympozium.catalog.install import documents, node

    return [*node(), *documents(webhook_url=f"https://127.0.0.1:{webhook_port}")]


def _catalogue() -> list[Object]:
    from sympozium.catalog import documents

    return documents()


def main() -> int:
    """Exit code 1 and one line on standard error when it cannot be done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["all", "tokens"])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--ports", type=json.loads, default={})
    parser.add_argument("--base-url")
    parser.add_argument("--model")
    parser.add_argument("--provider")
    arguments = parser.parse_args()
    data = DataDir(arguments.data_dir)
    ports = arguments.ports or json.loads(data.ports.read_text())
    installer = Installer(data, ports)
    try:
        if arguments.what == "tokens":
            installer.tokens()
        else:
            key = os.environ["SYMPOZIUM_INSTALL_API_KEY"]
            installer.all(arguments.base_url, arguments.model, arguments.provider, key)
    except InstallError as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
