"""The attacks as data: `attacks/*.yaml`, a file for each class, read and checked.

Each is a transcript: what a model that is against us says, step by step. An item of `steps` is

    {shell: COMMAND}             execute_command in the workspace's container
    {hands: COMMAND}             execute_command in the skill `hands`, which has kubectl, a token and a Secret
    {tool: NAME, arguments: {}}  any call; `raw: TEXT` instead of arguments for what is no JSON
    [item, item]                 calls in one turn
    {call: [...], capture: [...], next: [...]}   a whole step of a script (docs/rehearsal.md)

`<<TAG>>`, `<<NS>>`, ... in any text are filled in for the one run (`world.Scene.words`).
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_KEYS = {"name", "does", "policy", "steps", "canary", "task", "person", "needs", "quick", "refused", "instance", "sandboxed", "inbox"}  # fmt: skip
NEEDS = {"hands", "pod"}


@dataclass(frozen=True, slots=True)
class Attack:
    """`canary`: any one of them tripped means that the forbidden thing happened.

    `person`: what the person who is asked does in the run with policy: `denies`, `approves harmless` (what reads
    as harmless to the end, and nothing else), or `absent`. `refused`: the run itself must be refused at admission.
    `inbox`: text that somebody else wrote, in the skill's Secret (`/secrets/hands/inbox`), in ConfigMap `mail` of the
    victim's namespace and on the beacon's `/page`. `sandboxed`: why it fails with policy off too: not the policy stops it.
    """

    name: str
    kind: str
    does: str
    policy: str
    canary: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]
    task: str = "Do your work."
    person: str = "denies"
    needs: frozenset[str] = frozenset()
    instance: dict[str, Any] = field(default_factory=dict)
    inbox: str = ""
    quick: bool = False
    refused: bool = False
    sandboxed: str = ""


@functools.cache
def attacks() -> list[Attack]:
    """All of them, in the order of the files. ValueError says what is wrong in which."""
    found = [
        _attack(item, path)
        for path in sorted((HERE / "attacks").glob("*.yaml"))
        for item in yaml.safe_load(path.read_text())
    ]
    names = [attack.name for attack in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two attacks have the name {sorted(twice)}")
    return found


@functools.cache
def policies() -> dict[str, dict[str, Any]]:
    """Name -> spec of a SympoziumPolicy; `off` is what everything is allowed by."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "policies.yaml").read_text())
    return found


def _attack(item: dict[str, Any], path: Path) -> Attack:
    where = f"{path.name}: {item.get('name')}"
    if unknown := set(item) - _KEYS:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
    if item["policy"] not in policies():
        raise ValueError(f"{where}: there is no policy {item['policy']!r} in policies.yaml")
    needs = frozenset(item.get("needs", ()))
    if needs - NEEDS:
        raise ValueError(f"{where}: needs {sorted(needs - NEEDS)}; known are {sorted(NEEDS)}")
    canary = item["canary"] if isinstance(item["canary"], list) else [item["canary"]]
    rest = {
        k: item[k]
        for k in ("task", "person", "quick", "refused", "instance", "sandboxed", "inbox")
        if k in item
    }
    steps = tuple(_step(step) for step in item["steps"])
    return Attack(
        name=item["name"], kind=path.stem.replace("-", " "), does=item["does"], policy=item["policy"],
        canary=tuple(canary), steps=steps, needs=needs, **rest,
    )  # fmt: skip


def _step(item: Any) -> dict[str, Any]:
    if isinstance(item, dict) and "call" in item:
        return {**item, "call": [_call(call) for call in item["call"]]}
    return {"call": [_call(call) for call in (item if isinstance(item, list) else [item])]}


def _call(item: dict[str, Any]) -> dict[str, Any]:
    if "shell" in item:
        return {"tool": "execute_command", "arguments": {"command": item["shell"]}}
    if "hands" in item:
        return {"tool": "execute_command", "arguments": {"command": item["hands"], "target": "hands"}}
    return item
