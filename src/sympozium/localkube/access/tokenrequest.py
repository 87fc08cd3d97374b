"""TokenRequest: a new token for a ServiceAccount, bound to a Pod, a Secret, a Node or to nothing.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

import datetime as dt

from sympozium.localkube.access.noderole import node_name
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.tokens import BOUND, ISSUER, Bound, ServiceAccountTokens
from sympozium.localkube.errors import ApiError, bad_request, conflict, forbidden, invalid, not_found
from sympozium.localkube.types import Cause, Object, UserInfo

MINIMUM = 600
MAXIMUM = 1 << 32
DEFAULT = 3600
GROUP = "authentication.k8s.io"


class TokenRequests:
    """Serves `serviceaccounts/token`."""

    def __init__(self, tokens: ServiceAccountTokens, objects: Objects) -> None:
        self._tokens = tokens
        self._objects = objects

    def create(self, namespace: str, name: str, obj: Object, user: UserInfo) -> Object:
        """The request with `status.token` and `status.expirationTimestamp`.

        Raises ApiError: 403 a node asks for what is not on it, 404 no such account or bound object, 409 it
        has another uid, 422 bad spec.
        """
        node = node_name(user)
        if node:
            self._check_node(node, obj, namespace, name)
        account = self._objects.get("", "serviceaccounts", namespace, name)
        if account is None:
            raise not_found("", "serviceaccounts", name)
        spec = dict(obj.get("spec") or {})
        seconds = spec.get("expirationSeconds")
        seconds = DEFAULT if seconds is None else seconds
        _check(seconds)
        audiences = list(spec.get("audiences") or ()) or [ISSUER]
        ref = spec.get("boundObjectRef")
        bound, of_node = self._bound(account, ref) if ref else (None, None)
        token, expires = self._tokens.issue(
            account, audiences=audiences, seconds=seconds, bound=bound, node=of_node
        )
        stamp = dt.datetime.fromtimestamp(expires, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "creationTimestamp": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": ref or None,
            },
            "status": {"token": token, "expirationTimestamp": stamp},
        }

    def _bound(self, account: Object, ref: Object) -> tuple[Bound, Bound | None]:
        kind = str(ref.get("kind", "")).lower()
        if kind not in BOUND or ref.get("apiVersion", "v1") not in {"v1", ""}:
            group, _, version = str(ref.get("apiVersion", "")).rpartition("/")
            given = f"{group}/{version}, Kind={ref.get('kind', '')}"
            raise bad_request(f"cannot bind token to object of type {given}")
        resource, namespaced = BOUND[kind]
        name, namespace = str(ref.get("name", "")), account["metadata"]["namespace"] if namespaced else ""
        if not name:
            raise bad_request("Name parameter required.")
        found = self._objects.get("", resource, namespace, name)
        if found is None:
            raise not_found("", resource, name)
        uid = found["metadata"]["uid"]
        if ref.get("uid") and ref["uid"] != uid:
            why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. The object might have been deleted and then recreated"
            raise conflict("", resource, name, why)
        if kind != "pod":
            return Bound(kind, name, uid), None
        self._check_pod(account, found)
        node_name = found["spec"].get("nodeName", "")
        node = self._objects.get("", "nodes", "", node_name) if node_name else None
        return Bound(kind, name, uid), Bound("node", node_name, node["metadata"]["uid"]) if node else None

    def _check_node(self, node: str, obj: Object, namespace: str, name: str) -> None:
        """NodeRestriction: a node gets tokens for its own pods alone, bound to them."""
        ref = (obj.get("spec") or {}).get("boundObjectRef") or {}
        pod = self._objects.get("", "pods", namespace, ref.get("name", ""))
        if ref.get("kind") != "Pod":
            why = "node requested token not bound to a pod"
        elif not ref.get("uid"):
            why = "node requested token with a pod binding without a uid"
        elif pod is None or pod["metadata"]["uid"] != ref["uid"]:
            why = f"node requested token bound to a pod {ref.get('name', '')!r} that does not exist"
        elif pod["spec"].get("nodeName") != node:
            why = "node requested token bound to a pod scheduled on a different node"
        else:
            return
        raise forbidden("", "serviceaccounts", name, why)

    @staticmethod
    def _check_pod(account: Object, pod: Object) -> None:
        used = pod["spec"].get("serviceAccountName", "")
        if used != account["metadata"]["name"]:
            raise ApiError(
                400,
                f'cannot bind token for serviceaccount "{account["metadata"]["name"]}" to pod running with different serviceaccount name.',
            )


def _check(seconds: object) -> None:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        problem = "must be an integer"
    elif seconds < MINIMUM:
        problem = "may not specify a duration less than 10 minutes"
    elif seconds > MAXIMUM:
        problem = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    cause = Cause("spec.expirationSeconds", "FieldValueInvalid", f"Invalid value: {seconds}: {problem}")
    raise invalid(GROUP, "TokenRequest", "", [cause])
