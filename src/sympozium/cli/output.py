"""What commands print: the server's tables, objects as YAML or JSON, colours where they are wanted."""

import os
import sys
from typing import Any

from sympozium.cli.failures import CommandError

Object = dict[str, Any]
FORMATS = ("json", "yaml", "name", "wide")


def check_format(output: str | None) -> None:
    if output is not None and output not in FORMATS:
        raise CommandError(f"-o {output}: choose one of {', '.join(FORMATS)}", 2)


def colours() -> bool:
    """Colours go to a terminal alone, and not where NO_COLOR is set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if colours() else text


def say(text: str = "") -> None:
    print(text, flush=True)


def full_name(obj: Object) -> str:
    """`agentrun.sympozium.ai/x`, as kubectl writes it."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    kind = obj["kind"].lower() + (f".{group}" if group else "")
    return f"{kind}/{obj['metadata']['name']}"


def without_noise(obj: Object) -> Object:
    """Without managedFields, which no person reads (kubectl hides them too)."""
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
    return {**obj, "metadata": metadata} if "metadata" in obj else obj


def print_objects(objects: list[Object], output: str, *, many: bool) -> None:
    import json

    from sympozium import yamlio

    if output == "name":
        for obj in objects:
            say(full_name(obj))
        return
    shown = [without_noise(obj) for obj in objects]
    whole: Object = {"apiVersion": "v1", "kind": "List", "items": shown} if many else shown[0]
    say(json.dumps(whole, indent=2) if output == "json" else yamlio.dump(whole).rstrip())


def rows(table: Object, *, wide: bool, namespaces: bool) -> list[list[str]]:
    """The cells of a meta.k8s.io/v1 Table, the head first."""
    columns = [i for i, c in enumerate(table["columnDefinitions"]) if wide or not c.get("priority")]
    head = [table["columnDefinitions"][i]["name"].upper() for i in columns]
    lines = [["NAMESPACE", *head] if namespaces else head]
    for row in table.get("rows") or []:
        cells = [_cell(row["cells"][i]) for i in columns]
        if namespaces:
            cells.insert(0, ((row.get("object") or {}).get("metadata") or {}).get("namespace") or "")
        lines.append(cells)
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    return "true" if value is True else "false" if value is False else str(value)


def print_rows(lines: list[list[str]]) -> None:
    """Columns as wide as their widest cell."""
    if not lines:
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        say("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
