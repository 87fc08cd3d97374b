"""The objects that a binding's paramRef names."""

from sympozium.localkube.access.labels import matches
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.policies.policy import Binding, Policy
from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.types import AdmissionRequest, Object

_NONE_FOUND = "no params found for policy binding with `Deny` parameterNotFoundAction"


class ParamError(Exception):
    """`policy` says that the policy is at fault, not the binding."""

    def __init__(self, text: str, *, policy: bool = False) -> None:
        super().__init__(f"failed to configure {'policy' if policy else 'binding'}: {text}")
        self.policy = policy


def collect(
    policy: Policy, binding: Binding, request: AdmissionRequest, objects: Objects
) -> list[Object | None]:
    """One evaluation for each. Raises ParamError."""
    kind, ref = policy.param_kind, binding.param_ref
    if kind is None or ref is None:
        return [None]
    resource, namespaced = _resource(kind, objects)
    group = kind["apiVersion"].rpartition("/")[0]
    namespace = ref.get("namespace") or ""
    if not namespaced and namespace:
        raise ParamError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if namespaced and not namespace:
        namespace = request.namespace
        if not namespace:
            raise ParamError(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
    found: list[Object | None] = []
    if ref.get("name"):
        one = objects.get(group, resource, namespace if namespaced else "", ref["name"])
        found = [] if one is None else [one]
    else:
        found += [
            obj
            for obj in objects.list(group, resource)
            if (not namespaced or obj["metadata"].get("namespace") == namespace)
            and matches(ref.get("selector"), obj["metadata"].get("labels") or {})
        ]
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise ParamError(_NONE_FOUND)
    return found


def _resource(kind: Object, objects: Objects) -> tuple[str, bool]:
    """(plural, whether it is namespaced) of a kind that is served. Raises ParamError."""
    api_version, name = kind["apiVersion"], kind["kind"]
    for resource in BUILTIN:
        if resource.kind == name and resource.api_version == api_version and "list" in resource.verbs:
            return resource.plural, resource.namespaced
    group, _, version = api_version.rpartition("/")
    for crd in objects.list("apiextensions.k8s.io", "customresourcedefinitions"):
        spec = crd["spec"]
        served = {one["name"] for one in spec["versions"] if one.get("served")}
        if spec["group"] == group and spec["names"]["kind"] == name and version in served:
            return spec["names"]["plural"], spec["scope"] == "Namespaced"
    raise ParamError(
        f"failed to find resource referenced by paramKind: '{api_version}, Kind={name}'", policy=True
    )
