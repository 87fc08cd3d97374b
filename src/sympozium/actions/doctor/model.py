"""The model of the installation: does it answer, from here and from a pod."""

import secrets
from typing import Final
from urllib.parse import urlsplit

from sympozium.actions import endpoints, probepods, setup
from sympozium.actions.doctor.finding import Finding
from sympozium.actions.doctor.installation import images
from sympozium.actions.endpoints import EndpointError
from sympozium.api.config import SympoziumConfig
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.resources import CONFIGS

COMPONENT: Final = "model-probe"
_EGRESS: Final = "node.sympozium.ai/egress"
"""What the pods of runs say too: on one machine the model may be on its loopback. Its node carries no IPv6."""
_SCRIPT: Final = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as answer:
    print(f"answers {answer.code}")
except Exception as problem:
    sys.exit(str(getattr(problem, "reason", problem)))
"""
"""It has no key, and needs none: an endpoint that refuses has been reached."""


async def from_here(client: Client, namespace: str) -> Finding:
    now = await setup.configured(client, namespace)
    if not now.base_url:
        if not now.readable:
            return Finding(None, "you may not read where the model is, nor its key", "ask who administers it")
        return Finding(
            None,
            "the installation names no endpoint; each agent brings its own",
            "set one with sympozium init",
        )
    try:
        models = await endpoints.models_of(now.base_url, now.key)
    except EndpointError as error:
        return Finding(False, error.problem, error.cure)
    if now.model and models and now.model not in models:
        words = f"{now.base_url} answers, and does not list {now.model}"
        return Finding(None, words, "some endpoints do not list all they have: sympozium init tries it")
    return Finding(True, f"{now.base_url} answers")


async def from_pod(client: Client, namespace: str) -> Finding:
    """A pod of the namespace asks it, as an agent of it would; nothing of the pod is left."""
    now = await setup.configured(client, namespace)
    if not now.base_url:
        return Finding(None, "the installation names no endpoint that you may know of", "")
    config = SympoziumConfig.model_validate(
        await client.find(CONFIGS, "default", SYSTEM_NAMESPACE) or {"metadata": {"name": "default"}}
    )
    url = f"{now.base_url.rstrip('/')}/models"
    parts = urlsplit(now.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reached = {_EGRESS: f"{parts.hostname}:{port}"} if ":" not in (parts.hostname or ":") else {}
    pod = probepods.pod(
        namespace, f"sympozium-{COMPONENT}-{secrets.token_hex(4)}", COMPONENT, await images(client, config.spec),
        ["python3", "-I", "-S", "-c", _SCRIPT, url], annotations=reached,
    )  # fmt: skip
    ended = await probepods.run(client, pod)
    if ended.code is None:
        words = f"the pod that was to ask did not end: {ended.words}"
        return Finding(None, words, "see the nodes, and the image of `shell`")
    if ended.code == 0:
        return Finding(True, f"{now.base_url} answers a pod in {namespace}")
    words = f"{now.base_url} does not answer a pod in {namespace}: {ended.words or f'exit code {ended.code}'}"
    cure = "see its name in the cluster's DNS, NetworkPolicies of the namespace and of the endpoint, and its certificate"
    return Finding(False, words, cure)
