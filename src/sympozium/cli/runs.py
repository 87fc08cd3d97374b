"""`sympozium run`: make an AgentRun; with --watch, follow it and tell its result by the exit code."""

import secrets
from typing import Any

from sympozium.cli.failures import EXIT_ERROR, EXIT_RUN_CANCELLED, EXIT_RUN_FAILED, CommandError
from sympozium.cli.output import plain, say
from sympozium.cli.session import Session
from sympozium.kube import Resource

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
TERMINAL = ("Succeeded", "Failed", "Cancelled")
AGENT_RUN = Resource("sympozium.ai", "v1alpha1", "agentruns", "AgentRun")


async def start(
    session: Session, instance: str, task: str, *, model: str | None, longest: str | None, keep: bool
) -> str:
    """Create the run; returns its name."""
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(5))
    spec: dict[str, Any] = {"instanceRef": instance, "task": task}
    if longest:
        spec["timeout"] = longest
    if model:
        spec["model"] = {"model": model}
    if keep:
        spec["cleanup"] = "keep"
    name = f"{instance[:50].rstrip('-.')}-{suffix}"
    made = await session.client.create(
        AGENT_RUN,
        {
            "apiVersion": AGENT_RUN.api_version,
            "kind": AGENT_RUN.kind,
            "metadata": {"name": name, "namespace": session.namespace},
            "spec": spec,
        },
        session.namespace,
    )
    return str(made["metadata"]["name"])


async def result(session: Session, name: str) -> int:
    """Print how a run ended; the exit code says it too. Waits for the terminal phase."""
    run = await terminal(session, name)
    status = run.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded":
        return 0
    say(plain(f"{phase}: {status.get('reason')}: {status.get('error') or ''}".rstrip(": ")))
    return EXIT_RUN_CANCELLED if phase == "Cancelled" else EXIT_RUN_FAILED


async def terminal(session: Session, name: str) -> dict[str, Any]:
    """Watch a run until its phase is terminal."""
    fields = f"metadata.name={name}"
    while True:
        found, version = await session.client.list_at(AGENT_RUN, session.namespace, fields=fields)
        if not found:
            raise CommandError(
                f"agentrun {name!r} does not exist in namespace {session.namespace} (any more)", EXIT_ERROR
            )
        if (found[0].get("status") or {}).get("phase") in TERMINAL:
            return found[0]
        query = {"fieldSelector": fields, "resourceVersion": version, "timeoutSeconds": "300"}
        async with session.client.watch(AGENT_RUN, session.namespace, query=query, idle=330) as events:
            async for event in events:
                if (
                    event["type"] == "DELETED"
                    or (event["object"].get("status") or {}).get("phase") in TERMINAL
                ):
                    break
