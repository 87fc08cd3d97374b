"""AdmissionReview out and in, on values: no I/O, so that it is tested on recorded ones.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response
"""

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from sympozium.localkube.access.reviews import user_object
from sympozium.localkube.admission.webhooks.hook import Hook
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import AdmissionRequest, Object

API_VERSION = "admission.k8s.io/v1"
OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions", "CONNECT": ""}


class ResponseError(Exception):
    """The webhook's answer is not an AdmissionReview response to this request."""


@dataclass(frozen=True, slots=True)
class Response:
    """A valid response."""

    allowed: bool
    status: Object
    patch: list[Object]
    warnings: list[str]


def build(request: AdmissionRequest, version: str) -> Object:
    """The AdmissionReview to post, in the version that the webhook asked for."""
    gvk = {"group": request.group, "version": request.version, "kind": request.kind}
    gvr = {"group": request.group, "version": request.version, "resource": request.resource}
    body: Object = {
        "uid": str(uuid.uuid4()),
        "kind": gvk | {"version": version},
        "resource": gvr | {"version": version},
        "requestKind": gvk,
        "requestResource": gvr,
        "operation": request.operation,
        "userInfo": user_object(request.user),
        "object": _in_version(request.obj, request, version),
        "oldObject": _in_version(request.old, request, version),
        "dryRun": request.dry_run,
        "options": _options(request),
    }
    if request.subresource:
        body |= {"subResource": request.subresource, "requestSubResource": request.subresource}
    if request.name:
        body["name"] = request.name
    if request.namespace:
        body["namespace"] = request.namespace
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "request": body}


def _options(request: AdmissionRequest) -> Object | None:
    kind = OPTIONS.get(request.operation, "")
    if not kind:
        return None
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **request.options}


def _in_version(obj: Object | None, request: AdmissionRequest, version: str) -> Object | None:
    """The versions of a CRD here differ in name alone (conversion None)."""
    if obj is None or version == request.version:
        return obj
    return {**obj, "apiVersion": f"{request.group}/{version}"}


def parse(raw: bytes, uid: str) -> Response:
    """Raises ResponseError with what is wrong."""
    try:
        review = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ResponseError(f"the response is not JSON: {error}") from error
    if not isinstance(review, dict):
        raise ResponseError("the response is not a JSON object")
    given = f"{review.get('apiVersion', '')}, Kind={review.get('kind', '')}"
    if given != f"{API_VERSION}, Kind=AdmissionReview":
        raise ResponseError(f"expected webhook response of {API_VERSION}, Kind=AdmissionReview, got {given}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise ResponseError("webhook response was absent")
    if response.get("uid") != uid:
        raise ResponseError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    return Response(
        allowed=response.get("allowed") is True,
        status=response.get("status") or {},
        patch=_patch(response),
        warnings=[str(warning) for warning in response.get("warnings") or ()],
    )


def _patch(response: dict[str, Any]) -> list[Object]:
    encoded, kind = response.get("patch"), response.get("patchType")
    if not encoded:
        if kind:
            raise ResponseError("webhook returned response.patchType but not response.patch")
        return []
    if kind != "JSONPatch":
        raise ResponseError(
            f'webhook returned response.patchType "{kind or ""}", only "JSONPatch" is supported'
        )
    try:
        patch = orjson.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise ResponseError(f"response.patch is not base64 of JSON: {error}") from error
    if not isinstance(patch, list):
        raise ResponseError("response.patch is not a JSON patch: it must be a list of operations")
    return patch


def denial(hook: Hook, status: Object) -> ApiError:
    """The refusal, with the webhook's code and reason; 400 when it gives none (recorded)."""
    said = f'admission webhook "{hook.name}" denied the request'
    why = status.get("message") or status.get("reason") or ""
    message = f"{said}: {why}" if why else f"{said} without explanation"
    code = status.get("code")
    if not isinstance(code, int) or not 400 <= code < 600:
        code = 400
    return ApiError(
        code, message, reason=str(status.get("reason") or ""), details=status.get("details") or None
    )
