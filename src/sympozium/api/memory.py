"""Where the notes of an agent are: a ConfigMap beside its instance, which outlives it. Pure.

    metadata.name         <instance>-memory
    metadata.labels       sympozium.ai/instance, sympozium.ai/component: memory
    data[MEMORY.md]       the notes, plain text

A person reads and corrects them with kubectl. What is under that name without our labels is somebody else's.
"""

from typing import Final

from sympozium.api.base import Object
from sympozium.api.instance import Memory
from sympozium.api.meta import LABEL_COMPONENT, LABEL_INSTANCE
from sympozium.names import derive, label_value

KEY: Final = "MEMORY.md"
COMPONENT: Final = "memory"
ANNOTATION_WRITES: Final = "sympozium.ai/last-writes"
"""The last writes of agents, so that one that is asked for again is made once."""
ANNOTATION_EXCLUDE: Final = "sympozium.ai/without-memory"
"""`true` on a run that shall not be told the notes, as those of schedules with `includeMemory: false`."""


LARGEST: Final = 512
"""KiB: notes go into the prompt's ConfigMap beside task and history, which together must stay below Kubernetes' 1 MiB."""


def most(memory: Memory) -> int:
    """Bytes that the notes may have: `maxSizeKB`, and 512 KiB at most. Admission warns of more."""
    return min(memory.max_size_kb, LARGEST) * 1024


def config_map_name(instance: str) -> str:
    """`<instance>-memory`; shortened with a hash where that is no label."""
    return derive(instance, "memory")


def labels(instance: str) -> dict[str, str]:
    """By which the notes are found. The value is the name's, shortened like every label of ours."""
    return {LABEL_INSTANCE: label_value(instance), LABEL_COMPONENT: COMPONENT}


def is_memory(config_map: Object, instance: str) -> bool:
    """Whether a ConfigMap of the right name is an instance's notes."""
    found = config_map["metadata"].get("labels") or {}
    return all(found.get(key) == value for key, value in labels(instance).items())


def text_of(config_map: Object | None, memory: Memory) -> str:
    """The notes as they are; before there are any, the seeds."""
    return str((config_map.get("data") or {}).get(KEY) or "") if config_map else seeded(memory)


def seeded(memory: Memory) -> str:
    """What the notes begin with: a line for each seed."""
    return "".join(f"- {' '.join(seed.split())}\n" for seed in memory.seeds)


def manifest(instance: str, namespace: str, text: str) -> Object:
    """The ConfigMap. It has no owner: removing an instance does not make its agent's successor forget."""
    metadata = {"name": config_map_name(instance), "namespace": namespace, "labels": labels(instance)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
