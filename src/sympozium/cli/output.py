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


# What would move the cursor, hide text, or turn its direction: models write such things, and people decide by what
# they see. Newline and tab stay.
_UNSEEN = [*(set(range(32)) - {9, 10}), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _UNSEEN}


def plain(value: Any) -> Any:
    """The value with control characters in its texts made visible, at any depth."""
    if isinstance(value, str):
        return value.translate(_SHOWN)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def say(text: str = "") -> None:
    print(text, flush=True)


def full_name(obj: Object) -> str:
    """`agentrun.sympozium.ai/x`, as kubectl writes it."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    kind = obj["kind"].lower() + (f".{group}" if group else "")
    return f"{kind}/{obj['metadata']['name']}"


def print_objects(objects: list[Object], output: str, *, many: bool) -> None:
    import json

    from sympozium import yamlio
    from sympozium.kube.resources import without_noise

    if output == "name":
        for obj in objects:
            say(full_name(obj))
        return
    shown = [without_noise(obj) for obj in objects]
    whole: Object = {"apiVersion": "v1", "kind": "List", "items": shown} if many else shown[0]
    say(json.dumps(whole, indent=2) if output == "json" else yamlio.dump(whole).rstrip())


def print_value(value: Any, output: str) -> None:
    """What is no object of Kubernetes, as JSON or YAML. Its names are those of the REST API."""
    import json

    from sympozium import yamlio

    say(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else yamlio.dump(value).rstrip())


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
    return "true" if value is True else "false" if value is False else str(plain(str(value)))


def print_rows(lines: list[list[str]]) -> None:
    """Columns as wide as their widest cell."""
    if not lines:
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        say("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
