"""Completion of command lines in bash, zsh and fish: `sympozium completion SHELL` prints what a shell's start-up file reads.

The scripts ask the hidden command `sympozium __complete WORD...`, whose last word is the one that is being typed; it
answers with lines of `value TAB help`. Names come from the cluster within half a second or not at all, and nothing is ever
said on standard error: a completion that complains is worse than none. typer's own scripts are not used, since the one
for zsh evaluates what the program prints, and here that would be what a cluster's names are.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sympozium.cli.failures import EXIT_USAGE, CommandError

SHELLS: Final = ("bash", "zsh", "fish")
SECONDS: Final = 0.5
_MOST: Final = 500
_WORD: Final = re.compile(r"^[A-Za-z0-9._/:=@+-]+$")

KIND, NAME, NAMESPACE = "kind", "name", "namespace"
SOURCES: Final[Mapping[tuple[str, str], str]] = {
    ("get", "kind"): KIND, ("get", "names"): NAME, ("describe", "kind"): KIND, ("describe", "names"): NAME,
    ("delete", "kind"): KIND, ("delete", "names"): NAME,
    ("run", "instance"): "sympoziuminstances", ("init", "instance"): "sympoziuminstances",
    ("logs", "name"): "agentruns", ("stop", "names"): "agentruns", ("resume", "names"): "agentruns",
    ("explain", "name"): "agentruns", ("backtest", "instance"): "sympoziuminstances",
    ("audit show", "name"): "agentruns", ("audit export", "name"): "agentruns",
    ("approvals show", "name"): "approvalrequests", ("approvals approve", "name"): "approvalrequests",
    ("approvals deny", "name"): "approvalrequests",
    ("pack enable", "name"): "packs", ("pack disable", "name"): "personapacks", ("init", "pack"): "packs",
}  # fmt: skip
"""What a parameter of a command is the name of; `namespace` is one everywhere."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"shell": SHELLS, "scope": ("once", "run")}

_BASH = r"""_sympozium() {
    local IFS=$'\n' line
    COMPREPLY=()
    while IFS=$'\t' read -r line _; do
        COMPREPLY+=("$line")
    done < <(sympozium __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _sympozium sympozium
"""
_ZSH = r"""#compdef sympozium
_sympozium() {
    local line value help
    local -a values shown
    while IFS=$'\t' read -r value help; do
        values+=("$value")
        shown+=("$value${help:+  -- $help}")
    done < <(sympozium __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#values )); then compadd -d shown -- "${values[@]}"; else _files; fi
}
compdef _sympozium sympozium
"""
_FISH = r"""function __sympozium_complete
    set -l words (commandline -opc) (commandline -ct)
    sympozium __complete -- $words[2..-1] 2>/dev/null
end
complete -c sympozium -f -a '(__sympozium_complete)'
complete -c sympozium -n 'test (count (__sympozium_complete)) -eq 0' -F
"""


def script(shell: str) -> str:
    """Raises CommandError for another shell."""
    found = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}.get(shell)
    if found is None:
        raise CommandError(f"{shell}: choose one of {', '.join(SHELLS)}", EXIT_USAGE)
    return found


def complete(root: Any, words: list[str]) -> list[tuple[str, str]]:
    """(value, help) of what may stand in the place of the last word. Never raises for what was typed."""
    from typer._click.exceptions import ClickException
    from typer._click.shell_completion import _resolve_context, _resolve_incomplete

    *before, current = words or [""]
    try:
        context = _resolve_context(root, {}, "sympozium", before)
        part, incomplete = _resolve_incomplete(context, before, current)
        dynamic = _source(context, part)
        if dynamic:
            return [(value, "") for value in _names(dynamic, context, incomplete)]
        found = part.shell_complete(context, incomplete)
    except ClickException:
        return []
    return [(str(item.value), " ".join((item.help or "").split())) for item in found if item.type == "plain"]


def _source(context: Any, part: Any) -> str:
    """What a parameter's values are; empty for a command or what only its own type knows."""
    if not hasattr(part, "param_type_name"):
        return ""
    if part.name == "namespace":
        return NAMESPACE
    path = context.command_path.split()[1:]
    for key in (" ".join(path), path[-1] if path else ""):
        if found := SOURCES.get((key, part.name)):
            return found
    return "=" + " ".join(_WORDS[part.name]) if part.name in _WORDS else ""


def _names(source: str, context: Any, incomplete: str) -> list[str]:
    found: list[str] = source[1:].split() if source.startswith("=") else []
    if not source.startswith("="):
        with suppress(Exception):  # no cluster, no rights, no time: no completion, and no words about it
            found = asyncio.run(_ask(source, dict(context.params)))
    return [value for value in sorted(set(found)) if value.startswith(incomplete) and _WORD.match(value)]


async def _ask(source: str, params: Mapping[str, Any]) -> list[str]:
    from sympozium.cli.session import connect

    async with asyncio.timeout(SECONDS), connect(params.get("namespace"), quiet=True) as session:
        return await _of(session, source, params)


async def _of(session: Any, source: str, params: Mapping[str, Any]) -> list[str]:
    from sympozium.api.meta import API_VERSION, SYSTEM_NAMESPACE

    ours = f"/apis/{API_VERSION}"
    if source == KIND:
        served = [await _get(session, path) for path in (ours, "/api/v1", "/apis/apps/v1", "/apis/batch/v1")]
        return [r["name"] for found in served for r in found.get("resources") or () if "/" not in r["name"]]
    if source == NAMESPACE:
        return await _listed(session, "/api/v1/namespaces")
    if source == "packs":
        catalogue = await _listed(session, f"{ours}/namespaces/{SYSTEM_NAMESPACE}/personapacks")
        return [*catalogue, *await _listed(session, f"{ours}/namespaces/{session.namespace}/personapacks")]
    if source == NAME:
        from sympozium.actions.discovery import resolve_one

        resource = await resolve_one(session.client, str(params.get("kind") or ""))
        return await _listed(session, resource.path(session.namespace if resource.namespaced else None))
    return await _listed(session, f"{ours}/namespaces/{session.namespace}/{source}")


async def _get(session: Any, path: str, **query: str) -> dict[str, Any]:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    found: dict[str, Any] = await session.client.request("GET", path, query=query, accept=accept)
    return found


async def _listed(session: Any, path: str) -> list[str]:
    """Names, without the objects around them, and no more than a person would look through."""
    found = await _get(session, path, limit=str(_MOST))
    return [item["metadata"]["name"] for item in found.get("items") or ()]
