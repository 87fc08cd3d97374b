"""The APIs that answer questions and store nothing: who am I, may they, is this token good.

Each function takes the object that was posted and gives it back with its status, as a 201. Whether the
caller may post it at all is the authorizer's business before (system:basic-user has the self reviews).
Shapes: authentication.k8s.io/v1 and authorization.k8s.io/v1 of the Kubernetes API reference.
"""

import datetime as dt
from collections.abc import Sequence

from sympozium.localkube.access.authentication import Authentication
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.rbac import RBAC
from sympozium.localkube.access.rules import Rule, to_object
from sympozium.localkube.access.selectorattributes import selector_causes, unreadable_selectors
from sympozium.localkube.access.tokenrequest import TokenRequests
from sympozium.localkube.access.tokens import InvalidTokenError, ServiceAccountTokens
from sympozium.localkube.errors import ApiError, bad_request, invalid
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Attributes, Authorizer, Cause, Object, UserInfo

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
_BAD_BEARER = "invalid bearer token"


class Reviews:
    """`create(resource, namespace, obj, user)` for the review resources, `token(...)` for TokenRequest."""

    def __init__(
        self,
        *,
        authenticator: Authentication,
        authorizer: Authorizer,
        rbac: RBAC,
        tokens: ServiceAccountTokens,
        objects: Objects,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._rbac = rbac
        self._requests = TokenRequests(tokens, objects)

    def create(self, resource: str, namespace: str, obj: Object, user: UserInfo) -> Object:
        """Answers one review; `resource` is its plural, `namespace` that of the URL (local reviews).

        Raises ApiError 400 or 422 for a malformed review, 404 for a resource that is not a review.
        """
        match resource:
            case "tokenreviews":
                return self._token_review(obj)
            case "selfsubjectreviews":
                return _answered(obj, AUTHENTICATION, "SelfSubjectReview", {"userInfo": user_object(user)})
            case "selfsubjectaccessreviews":
                return self._access(obj, "SelfSubjectAccessReview", user)
            case "subjectaccessreviews":
                return self._access(obj, "SubjectAccessReview", _subject(obj))
            case "localsubjectaccessreviews":
                obj = _check_local(obj, namespace)
                return self._access(obj, "LocalSubjectAccessReview", _subject(obj))
            case "selfsubjectrulesreviews":
                return self._rules(obj, user)
        raise ApiError(404, "the server could not find the requested resource", details={})

    def token(self, namespace: str, name: str, obj: Object, user: UserInfo) -> Object:
        """`serviceaccounts/token`: the TokenRequest with a token. Raises ApiError 403, 404, 409, 422."""
        return self._requests.create(namespace, name, obj, user)

    def _token_review(self, obj: Object) -> Object:
        spec = obj.get("spec") or {}
        audiences: Sequence[str] = spec.get("audiences") or ()
        token = spec.get("token", "")
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        try:
            user, matched = self._authenticator.token(token, audiences)
        except InvalidTokenError as error:
            why = str(error).partition(":")[0] if str(error).startswith(_BAD_BEARER) else str(error)
            status: Object = {"user": {}, "error": why}
        else:
            status = {"authenticated": True, "user": user_object(user), "audiences": matched}
        # The token is not echoed, unlike elsewhere: the answer may be logged by whoever asked.
        answer = _answered(obj, AUTHENTICATION, "TokenReview", status)
        answer["spec"] = {key: value for key, value in spec.items() if key != "token"}
        return answer

    def _access(self, obj: Object, kind: str, user: UserInfo) -> Object:
        ask = attributes(obj, user)
        decision = self._authorizer.authorize(ask)
        status: Object = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        if ignored := unreadable_selectors(obj):
            status["evaluationError"] = ignored
        return _answered(obj, AUTHORIZATION, kind, status)

    def _rules(self, obj: Object, user: UserInfo) -> Object:
        namespace = (obj.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise bad_request("no namespace on request")
        obj = {**obj, "spec": {}}
        rules = self._rbac.rules_for(user, namespace)
        incomplete = not rules and user.username.startswith("system:node:")
        if "system:masters" in user.groups:
            rules = [_everything(resources=True), _everything(resources=False), *rules]
        status: Object = {
            "resourceRules": [to_object(rule) for rule in _unique(rules) if rule.resources],
            "nonResourceRules": [to_object(rule) for rule in _unique(rules) if rule.paths],
            "incomplete": incomplete,
        }
        if incomplete:
            status["evaluationError"] = "node authorizer does not support user rule resolution"
        return _answered(obj, AUTHORIZATION, "SelfSubjectRulesReview", status)


def attributes(obj: Object, user: UserInfo) -> Attributes:
    """What an access review asks. Raises ApiError 422 unless it is exactly one of resource and path."""
    spec = obj.get("spec") or {}
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes: list[Cause] = []
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        causes.append(gotext.invalid("spec.nonResourceAttributes", _path_shown(path), why))
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(gotext.invalid("spec.resourceAttributes", None, why))
    causes += selector_causes(resource or {})
    if causes:
        raise invalid(AUTHORIZATION, "", "", causes)
    if path is not None:
        return Attributes(user=user, verb=path.get("verb", ""), path=path.get("path", ""))
    resource = resource or {}
    return Attributes(
        user=user,
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
        field_selector=_field_selector(resource.get("fieldSelector") or {}),
    )


def _field_selector(selector: Object) -> str:
    """The FieldSelectorAttributes as a query would have it; what is not `key In [one]` cannot narrow."""
    if raw := selector.get("rawSelector"):
        return str(raw)
    parts = selector.get("requirements") or ()
    return ",".join(
        f"{part['key']}={part['values'][0]}"
        for part in parts
        if part.get("operator") == "In" and len(part.get("values") or ()) == 1
    )


def _subject(obj: Object) -> UserInfo:
    spec = obj.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        cause = Cause(
            "spec.user",
            "FieldValueInvalid",
            'Invalid value: "": at least one of user or group must be specified',
        )
        raise invalid(AUTHORIZATION, "", "", [cause])
    return UserInfo(
        username=spec.get("user", ""),
        uid=spec.get("uid", ""),
        groups=tuple(spec.get("groups") or ()),
        extra={key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()},
    )


def _check_local(obj: Object, namespace: str) -> Object:
    """The review in its namespace. Raises ApiError 400 and 422 for one that asks about another."""
    meta = obj.get("metadata") or {}
    if meta.get("namespace", namespace) not in {"", namespace}:
        why = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(why)
    spec = obj.get("spec") or {}
    if spec.get("nonResourceAttributes") is not None:
        shown = _path_shown(spec["nonResourceAttributes"])
        why = "disallowed on this kind of request"
        cause = gotext.invalid("spec.nonResourceAttributes", shown, why)
        raise invalid(AUTHORIZATION, "", "", [cause])
    named = (spec.get("resourceAttributes") or {}).get("namespace", "")
    if spec.get("resourceAttributes") is not None and named != namespace:
        cause = gotext.invalid("spec.resourceAttributes.namespace", named, "must match metadata.namespace")
        raise invalid(AUTHORIZATION, "", "", [cause])
    return {**obj, "metadata": {**meta, "namespace": namespace}}


def _path_shown(path: Object) -> Object:
    """NonResourceAttributes as Go shows them."""
    return {"Path": path.get("path", ""), "Verb": path.get("verb", "")}


def user_object(user: UserInfo) -> Object:
    """authentication/v1 UserInfo; empty parts are left out."""
    out: Object = {"username": user.username}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out


def _answered(obj: Object, group: str, kind: str, status: Object) -> Object:
    meta = dict(obj.get("metadata") or {})
    meta["creationTimestamp"] = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer: Object = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": meta}
    if kind != "SelfSubjectReview":
        answer["spec"] = obj.get("spec") or {}
    answer["status"] = status
    return answer


def _everything(*, resources: bool) -> Rule:
    every = frozenset({"*"})
    return Rule(every, groups=every, resources=every) if resources else Rule(every, paths=every)


def _unique(rules: Sequence[Rule]) -> list[Rule]:
    return list(dict.fromkeys(rules))
