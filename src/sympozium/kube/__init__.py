"""Talk to a Kubernetes API, and reconcile what it holds: client, informers, work queue, controllers.

The five nouns, after controller-runtime
(https://github.com/kubernetes-sigs/controller-runtime/blob/main/pkg/doc.go):

- `Client` (`client`): requests as dictionaries, errors as types. One HTTP session.
- `Informer` (`informer`): a local copy of a collection, kept by a watch; handlers hear of changes.
- `WorkQueue` (`workqueue`): names of objects that want attention; a name is in it at most once and in
  work at most once.
- `Reconciler` (`reconcile`): `async (Request) -> Result`; compares what is with what should be. It gets
  a name, not an event, so it is right whatever it missed.
- `Manager` (`reconcile`): runs informers and controllers while this process is the leader (`leader`).

Objects are plain dictionaries as the API sends them: a watch of thousands of pods costs what their JSON
costs, and a field that this code does not know survives. Nothing here knows of agents.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sympozium.kube.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)
from sympozium.kube.resources import Resource

if TYPE_CHECKING:
    from sympozium.kube.client import Client
    from sympozium.kube.informer import Informer
    from sympozium.kube.reconcile import (
        Controller,
        Manager,
        Request,
        Result,
        RetryLaterError,
        TerminalError,
    )

# The HTTP client and what stands on it are loaded when somebody asks for them: completion at a prompt, which needs a
# kubeconfig and nothing more, has no time for them.
_LAZY = {
    "Client": "client",
    "Informer": "informer",
    "Controller": "reconcile",
    "Manager": "reconcile",
    "Request": "reconcile",
    "Result": "reconcile",
    "RetryLaterError": "reconcile",
    "TerminalError": "reconcile",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "Client",
    "ConflictError",
    "Controller",
    "ExpiredError",
    "ForbiddenError",
    "Informer",
    "InvalidError",
    "KubeError",
    "Manager",
    "NotFoundError",
    "Request",
    "Resource",
    "Result",
    "RetryLaterError",
    "TerminalError",
    "UnauthorizedError",
    "UnreachableError",
]
