"""The 403 of authorization, in kube-apiserver's words (KUBE-API.md 1.1)."""

from sympozium.localkube.errors import ApiError, forbidden
from sympozium.localkube.types import Attributes


def refused(ask: Attributes, reason: str = "") -> ApiError:
    """`configmaps "a" is forbidden: User "alice" cannot get resource "configmaps" in API group "" in the
    namespace "ns"`, and for paths `forbidden: User "alice" cannot get path "/metrics"`.
    """
    who = f'User "{ask.user.username}"'
    tail = f": {reason}" if reason else ""
    if not ask.resource:
        return ApiError(403, f'forbidden: {who} cannot {ask.verb} path "{ask.path}"{tail}', details={})
    resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
    where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
    why = f'{who} cannot {ask.verb} resource "{resource}" in API group "{ask.group}" {where}{tail}'
    # kube-apiserver names the bare resource in front (`pods "x"`), the subresource in the sentence.
    return forbidden(ask.group, ask.resource, ask.name, why)
