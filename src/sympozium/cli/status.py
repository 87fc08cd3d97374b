"""`sympozium status`: is it running, are its parts well, what is going on."""

from collections import Counter
from typing import Any

from sympozium.actions.stop import is_stopped
from sympozium.cli.failures import CommandError
from sympozium.cli.output import paint, print_rows, print_value, say
from sympozium.cli.session import Session
from sympozium.kube import KubeError
from sympozium.kube.resources import NODES
from sympozium.resources import APPROVALS, INSTANCES, PERSONA_PACKS, RUNS, SCHEDULES
from sympozium.up.paths import DataDir, default_data_dir
from sympozium.up.state import DamagedError, State, is_running, read

_COUNTED = (INSTANCES, RUNS, SCHEDULES, PERSONA_PACKS, APPROVALS)


async def status(session: Session, *, output: str | None = None) -> int:
    """Returns 1 when something is not as it should be."""
    machine = DataDir(default_data_dir())
    try:
        state = read(machine) if machine.root.is_dir() else None
    except DamagedError as exc:
        raise CommandError(str(exc)) from exc
    if output:
        return await _as_value(session, machine, state, output)
    if state is not None:
        _print_machine(machine, state)
    say(f"API server: {session.client.access.server}")
    version = await session.client.request("GET", "/version")
    say(f"  version {version['gitVersion']}")
    nodes = await session.client.list(NODES)
    well = _print_nodes(nodes)
    await _print_stopped(session)
    await _print_counts(session)
    return 0 if well else 1


async def _as_value(session: Session, machine: DataDir, state: State | None, output: str) -> int:
    version = await session.client.request("GET", "/version")
    nodes = [{"name": n["metadata"]["name"], "ready": _is_ready(n)} for n in await session.client.list(NODES)]
    counts: dict[str, Any] = {}
    for resource in _COUNTED:
        try:
            found = await session.client.list(resource)
        except KubeError as exc:
            counts[resource.plural] = {"problem": str(exc)}
            continue
        phases = Counter(word for obj in found if (word := _word(obj)))
        counts[resource.plural] = {"total": len(found), "phases": dict(sorted(phases.items()))}
    value: dict[str, Any] = {
        "server": session.client.access.server,
        "version": version["gitVersion"],
        "nodes": nodes,
        "stopped": await is_stopped(session.client),
        "counts": counts,
        "machine": None,
    }
    if state is not None:
        children = {n: {"pid": c.pid, "restarts": c.restarts} for n, c in state.children.items()}
        running = is_running(machine)
        value["machine"] = {
            "directory": str(machine.root), "running": running, "ready": running and state.ready,
            "model": state.model, "processes": children,
        }  # fmt: skip
    print_value(value, output)
    return 0 if nodes and all(node["ready"] for node in nodes) else 1


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _print_machine(machine: DataDir, state: State) -> None:
    running = is_running(machine)
    word = (
        paint("32", "running")
        if running and state.ready
        else paint("31", "starting" if running else "not running")
    )
    say(f"this machine: {word}, data in {machine.root}, model: {state.model}")
    if running:
        lines = [["  PROCESS", "PID", "RESTARTS"]]
        lines += [[f"  {name}", str(c.pid or "-"), str(c.restarts)] for name, c in state.children.items()]
        print_rows(lines)


def _print_nodes(nodes: list[dict[str, Any]]) -> bool:
    well = bool(nodes)
    if not nodes:
        say("  no node: pods cannot run")
    for node in nodes:
        conditions = {c["type"]: c for c in (node.get("status") or {}).get("conditions") or []}
        ready = conditions.get("Ready", {}).get("status") == "True"
        well &= ready
        annotations = node["metadata"].get("annotations") or {}
        sandbox = next((v for k, v in annotations.items() if k.endswith("/sandbox")), "")
        say(
            f"  node {node['metadata']['name']}: {'Ready' if ready else 'NotReady'}"
            + (f", sandbox {sandbox}" if sandbox else "")
        )
    return well


async def _print_stopped(session: Session) -> None:
    """Somebody who wonders why nothing starts looks here."""
    if await is_stopped(session.client):
        say(
            f"  {paint('33', 'stopped')}: no run starts, those that go on are frozen (sympozium resume --all)"
        )


async def _print_counts(session: Session) -> None:
    for resource in _COUNTED:
        try:
            found = await session.client.list(resource)
        except KubeError as exc:
            say(f"  {resource.plural}: {exc}")
            continue
        phases = Counter(_word(obj) for obj in found)
        detail = ", ".join(f"{count} {word}" for word, count in sorted(phases.items()) if word)
        say(f"  {resource.plural}: {len(found)}" + (f" ({detail})" if detail else ""))


def _word(obj: dict[str, Any]) -> str:
    status = obj.get("status") or {}
    if obj.get("kind") == "ApprovalRequest":
        return str(status.get("decision") or "waiting")
    return str(status.get("phase") or "")
