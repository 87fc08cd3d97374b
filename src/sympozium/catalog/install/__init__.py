"""What an administrator installs before the first process starts: identities, rights, webhook configurations.

    namespace.yaml      the system namespace
    identities.yaml     ServiceAccounts of the components
    controller.yaml     what the controllers may do, and nothing else
    webhook.yaml        the same for the webhook
    apiserver.yaml      the same for the API server
    grantable.yaml      the most that a skill pack can ever be granted; the controllers hold it, so that the API
                        server's own escalation check binds them to it
    people.yaml         sympozium-view, -edit, -admin and -approver, aggregated to Kubernetes' own roles
    admission.yaml      the webhook configurations
    node.yaml           what our own node reads

`up` applies these on one machine, and the chart on a cluster: the same identities in both.
"""

from importlib import resources
from typing import Any, Final

import yaml

from sympozium.installation import DEFAULT_NAMESPACE, SYSTEM_NAMESPACE

Object = dict[str, Any]

CONTROLLER: Final = "sympozium-controller"
WEBHOOK: Final = "sympozium-webhook"
GRANTABLE: Final = "sympozium-grantable"
WEBHOOK_CONFIGURATION: Final = "sympozium"
"""Name of both webhook configurations."""

_FILES: Final = (
    "namespace.yaml",
    "identities.yaml",
    "grantable.yaml",
    "controller.yaml",
    "webhook.yaml",
    "apiserver.yaml",
    "people.yaml",
    "egress.yaml",
)


def documents(*, namespace: str = SYSTEM_NAMESPACE, webhook_url: str | None = None) -> list[Object]:
    """All install manifests, in an order in which they can be applied.

    With `webhook_url` (`https://127.0.0.1:9443`) the API server calls the webhook there; without, at the Service
    `sympozium-webhook` of the system namespace. The CA is not set: the webhook writes it, when it has one.
    The webhook configurations come last, since from then on writes need the webhook.
    """
    return [*identities(namespace=namespace), *admission(namespace=namespace, webhook_url=webhook_url)]


def identities(*, namespace: str = SYSTEM_NAMESPACE) -> list[Object]:
    """Everything but the webhook configurations."""
    return [document for name in _FILES for document in _read(name, namespace)]


def node() -> list[Object]:
    """What our own node may read besides what every node may. For installations that have one: the chart does not."""
    return _read("node.yaml", SYSTEM_NAMESPACE)


def admission(*, namespace: str = SYSTEM_NAMESPACE, webhook_url: str | None = None) -> list[Object]:
    """The two webhook configurations."""
    found = _read("admission.yaml", namespace)
    if webhook_url is not None:
        for configuration in found:
            for webhook in configuration["webhooks"]:
                path = webhook["clientConfig"].pop("service")["path"]
                webhook["clientConfig"]["url"] = webhook_url.rstrip("/") + path
    return found


def _read(name: str, namespace: str) -> list[Object]:
    """The files name the default namespace, in names of users and in CEL too."""
    text = resources.files(__name__).joinpath(name).read_text().replace(DEFAULT_NAMESPACE, namespace)
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]
