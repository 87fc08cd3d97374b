"""What the node remembers of a pod across its own death: one small JSON file beside the pod's volumes.

Written before anything of an attempt starts, so a container of a pod that must not restart is never run
twice. The processes themselves do not survive the node (`--die-with-parent`).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sympozium.node import status
from sympozium.node.objects import Object, all_containers, timestamp
from sympozium.node.status import Record

_log = logging.getLogger(__name__)

LOST = "The container could not be located when the node was started again"


@dataclass(slots=True)
class PodState:
    """Of one pod: its block of users, when it was accepted, and its containers."""

    slot: int
    start_time: str
    records: dict[str, Record]

    def save(self, path: Path, *, starting: tuple[str, int] | None = None) -> None:
        """Write atomically. `starting` notes an attempt of a container that begins now. Raises OSError."""
        records = {name: record.to_json() for name, record in self.records.items()}
        if starting:
            name, attempt = starting
            records[name] |= {"attempt": attempt, "state": {"running": {"startedAt": timestamp()}}}
        data = {"slot": self.slot, "startTime": self.start_time, "records": records}
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(json.dumps(data))
        temporary.rename(path)


def slot_of(path: Path) -> int | None:
    """The slot in a state file, or None when there is none to be read."""
    try:
        return int(json.loads(path.read_text())["slot"])
    except (OSError, ValueError, KeyError):
        return None


def load(path: Path, pod: Object, slot: int) -> PodState:
    """The state of a pod: from its file, else from what its status says, with lost containers marked as such."""
    try:
        data = json.loads(path.read_text())
        records = {name: Record.from_json(item) for name, item in data["records"].items()}
        state = PodState(data["slot"], data["startTime"], records)
    except FileNotFoundError:
        state = PodState(slot, (pod.get("status") or {}).get("startTime") or timestamp(), _published(pod))
    except (ValueError, KeyError, TypeError) as exc:
        _log.warning("state file %s is unreadable (%s): going by the pod's status", path, exc)
        state = PodState(slot, (pod.get("status") or {}).get("startTime") or timestamp(), _published(pod))
    for container in all_containers(pod):
        state.records.setdefault(container["name"], Record(container["name"]))
    mark_lost(state.records)
    return state


def _published(pod: Object) -> dict[str, Record]:
    """Records from a status that an earlier node has published."""
    published = pod.get("status") or {}
    records = {}
    for item in (
        *(published.get("initContainerStatuses") or ()),
        *(published.get("containerStatuses") or ()),
    ):
        begun = "running" in item["state"] or "terminated" in item["state"] or bool(item.get("lastState"))
        records[item["name"]] = Record(
            item["name"],
            attempt=item.get("restartCount", 0) if begun else -1,
            state=item["state"] if "waiting" not in item["state"] else {},
            last=item.get("lastState") or {},
            container_id=item.get("containerID", ""),
            image_id=item.get("imageID", ""),
        )
    return records


def mark_lost(records: Mapping[str, Record]) -> None:
    """What ran under a node that is gone has ended with it: 137, ContainerStatusUnknown."""
    for record in records.values():
        record.started = record.ready = False
        if record.running:
            record.state = status.terminated(
                code=137, reason="ContainerStatusUnknown", message=LOST, container_id=record.container_id,
                started=record.state["running"]["startedAt"], finished=timestamp(),
            )  # fmt: skip
        elif "waiting" in record.state:
            record.state = {}
