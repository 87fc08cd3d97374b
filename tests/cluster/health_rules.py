"""How GitOps tools judge an object: kstatus (Flux, helm 4), and Argo CD by the Lua script of the example.

kstatus: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/status/generic.go
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from lupa.lua51 import LuaRuntime

from sympozium.testing.client import Object

EXAMPLES = Path(__file__).parents[2] / "examples" / "gitops"
_PREFIX = "resource.customizations.health."


def kstatus(obj: Object) -> str:
    """`InProgress`, `Current`, `Failed` or `Terminating`."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    if status.get("observedGeneration", obj["metadata"]["generation"]) != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    # Newer versions ask for Ready at last; older ones do not, and must come to the same.
    assert conditions.get("Ready", "True") == "True", f"Ready alone says that something is wrong: {status}"
    return "Current"


@cache
def _scripts() -> dict[str, str]:
    data = yaml.safe_load((EXAMPLES / "argocd" / "argocd-cm.yaml").read_text())["data"]
    return {key.removeprefix(_PREFIX): text for key, text in data.items()}


def argo(obj: Object) -> tuple[str, str]:
    """Argo CD's status and message. The libraries that Argo CD does not open to scripts are not there."""
    lua = LuaRuntime(unpack_returned_tuples=True)
    for library in ("string", "io", "debug", "math", "coroutine"):
        lua.globals()[library] = None
    lua.globals().obj = _table(lua, obj)
    found = lua.execute(_scripts()[f"{obj['apiVersion'].split('/')[0]}_{obj['kind']}"])
    return found["status"], found["message"]


def _table(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: _table(lua, item) for key, item in value.items()})
    if isinstance(value, list):
        return lua.table_from([_table(lua, item) for item in value])
    return value
