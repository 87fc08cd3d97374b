"""The webhook's Secret and the webhook configurations, as an API that keeps them answers on the wire."""

import copy
from typing import Any

from tests.unit.kube.scripted import Asked, status

SECRET = "/api/v1/namespaces/sympozium-system/secrets/sympozium-webhook-tls"
GROUP = "/apis/admissionregistration.k8s.io/v1"
MUTATING = f"{GROUP}/mutatingwebhookconfigurations/sympozium"
VALIDATING = f"{GROUP}/validatingwebhookconfigurations/sympozium"


class Held:
    """Objects by path. `before` is called before each write: what another replica does meanwhile."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.before = lambda: None
        self.writes: list[Asked] = []

    def put(self, path: str, obj: dict[str, Any]) -> None:
        version = str(int(self.objects.get(path, {}).get("metadata", {}).get("resourceVersion", "0")) + 1)
        meta = {**obj.get("metadata", {}), "name": path.rpartition("/")[2], "resourceVersion": version}
        if path == SECRET:
            meta["namespace"] = "sympozium-system"
        self.objects[path] = {**copy.deepcopy(obj), "metadata": meta}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            found = self.objects.get(asked.path)
            return (200, copy.deepcopy(found)) if found else status(404, "NotFound")
        self.writes.append(asked)
        self.before()
        if asked.method == "POST":
            path = f"{asked.path}/{asked.body['metadata']['name']}"
            if path in self.objects:
                return status(409, "AlreadyExists")
            self.put(path, asked.body)
            return 201, self.objects[path]
        held = self.objects[asked.path]
        if asked.method == "PUT":
            if asked.body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
                return status(409, "Conflict")
            self.put(asked.path, asked.body)
            return 200, self.objects[asked.path]
        for operation in asked.body:
            _, hooks, index, *rest = operation["path"].split("/")
            hook = held[hooks][int(index)]
            if operation["op"] == "test":
                if hook[rest[0]] != operation["value"]:
                    return status(422, "Invalid", "test failed")
            else:
                hook[rest[0]][rest[1]] = operation["value"]
        return 200, held


def hooks(*bundles: str | None) -> dict[str, Any]:
    return {
        "metadata": {},
        "webhooks": [
            {"name": f"h{n}", "clientConfig": {"url": "x", **({"caBundle": bundle} if bundle else {})}}
            for n, bundle in enumerate(bundles)
        ],
    }
