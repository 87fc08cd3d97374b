"""What admission can see in a test: objects by (kind, namespace, name), and who may do what.

The lookups are the only doubles; everything that decides is real.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sympozium.api.instance import SympoziumInstance
from sympozium.api.registry import BY_KIND
from sympozium.api.shared import Resource
from sympozium.api.skillpack import SkillPack
from sympozium.catalog.install import admission
from sympozium.kube.errors import UnreachableError
from sympozium.policy.resolve import Key
from sympozium.webhook.access import Access
from sympozium.webhook.app import Webhook
from sympozium.webhook.identity import CONTROLLER
from sympozium.webhook.references import M, References
from sympozium.webhook.review import Answer, Request

SYSTEM = "sympozium-system"
API = "sympozium.ai/v1alpha1"


class World(References):
    """References without an API. `broken` makes every lookup fail as an unreachable API does."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.broken = False
        self.rights: set[tuple[str, ...]] = set()
        self.asked: list[tuple[str, ...]] = []
        self.client = Runs(self)  # type: ignore[assignment]  # only `find` is used
        self.put("SympoziumPolicy", SYSTEM, "default-policy", {"toolGating": {"defaultAction": "allow"}})

    def put(
        self, kind: str, namespace: str, name: str, spec: dict[str, Any] | None = None, **meta: Any
    ) -> None:
        metadata = {"name": name, "namespace": namespace, "generation": 1, **meta}
        self.objects[(kind, namespace, name)] = {
            "apiVersion": API,
            "kind": kind,
            "metadata": metadata,
            "spec": spec or {},
        }

    async def get(self, model: type[M], keys: Iterable[Key]) -> M | None:
        if self.broken:
            raise UnreachableError("connection refused")
        for namespace, name in keys:
            found = self.objects.get((model.__name__, namespace, name))
            if found is not None:
                assert issubclass(model, Resource)
                return model.model_validate(found)
        return None

    def cached(self, model: type[M], where: Key) -> M | None:
        found = self.objects.get((model.__name__, *where))
        return model.model_validate(found) if found else None

    def _naming(self, pack: SkillPack) -> list[SympoziumInstance]:
        self._informers = {"SympoziumInstance": self}
        return super()._naming(pack)

    def list(self) -> list[dict[str, Any]]:
        """As an informer of instances."""
        return [obj for (kind, _, _), obj in self.objects.items() if kind == "SympoziumInstance"]

    def webhook(self) -> Webhook:
        webhook = Webhook(self)
        webhook._access.may = self.may
        return webhook

    async def may(self, user, verb, resource, *, group="", namespace="", name="") -> bool:
        question = (user.name, verb, resource, group, namespace, name)
        self.asked.append(question)
        return user.name == "admin" or question in self.rights

    async def mutate(self, request: dict[str, Any]) -> Answer:
        return await self.webhook().review("mutate", Request.parse(request))

    async def validate(self, request: dict[str, Any]) -> Answer:
        return await self.webhook().review("validate", Request.parse(request))

    async def admit(self, request: dict[str, Any]) -> Answer:
        """Both phases, as the API server calls them."""
        body = request["request"]
        if is_sent("MutatingWebhookConfiguration", body):
            mutated = await self.mutate(request)
            if not mutated.allowed:
                return mutated
            for operation in mutated.patch:
                apply(body["object"], operation)
        assert is_sent("ValidatingWebhookConfiguration", body)
        return await self.validate(request)


@cache
def _rules(kind: str) -> frozenset[tuple[str, str]]:
    """(resource, operation) of the webhook configuration that the install brings."""
    configuration = next(c for c in admission() if c["kind"] == kind)
    return frozenset(
        (resource, operation)
        for hook in configuration["webhooks"]
        for rule in hook["rules"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    )


def is_sent(configuration: str, request: dict[str, Any]) -> bool:
    """Whether the API server asks us about a request at all."""
    plural = BY_KIND[request["kind"]["kind"]].plural
    resource = f"{plural}/{request['subResource']}" if request["subResource"] else plural
    return (resource, request["operation"]) in _rules(configuration)


class Runs:
    """The one request that approvals make: the ServiceAccount of whoever decides."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def find(self, resource, name: str, namespace: str) -> dict[str, Any] | None:
        return self.world.objects.get((resource.kind, namespace, name))


def apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation of a JSON patch on objects."""
    *parents, last = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
    for parent in parents:
        document = document[parent]
    if operation["op"] == "remove":
        del document[last]
        return
    assert (last in document) == (operation["op"] == "replace")
    document[last] = operation["value"]


def review(
    kind: str, obj: dict[str, Any] | None = None, *, user: str = "alice", old: dict[str, Any] | None = None,
    subresource: str = "", namespace: str = "ns", name: str = "x", labels: dict[str, str] | None = None,
    groups: Sequence[str] = ("system:authenticated",), **spec: Any,
) -> dict[str, Any]:  # fmt: skip
    """An AdmissionReview. `spec` makes the object; `obj` gives it whole."""
    if obj is None:
        metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
        obj = {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}
    request = {
        "uid": "u-1", "kind": {"group": "sympozium.ai", "version": "v1alpha1", "kind": kind}, "namespace": namespace,
        "name": name, "operation": "UPDATE" if old is not None else "CREATE", "subResource": subresource,
        "userInfo": {"username": user, "groups": list(groups)}, "object": obj, "oldObject": old,
    }  # fmt: skip
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


__all__ = ["CONTROLLER", "SYSTEM", "Access", "World", "apply", "review"]
