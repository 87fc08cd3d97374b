"""The reference of the commands as Markdown, made from the commands themselves: docs/cli.md is its output."""

from collections.abc import Iterator

import typer.main
from typer._click import Command, Context
from typer.core import TyperArgument, TyperOption

from sympozium.cli import failures
from sympozium.cli.main import app

_EXIT_CODES = (
    ("0", "done"),
    (str(failures.EXIT_ERROR), "it could not be done; one line on standard error says why and what to do"),
    (str(failures.EXIT_USAGE), "the command line was wrong"),
    (str(failures.EXIT_RUN_FAILED), "`run --watch`: the run failed"),
    (str(failures.EXIT_RUN_CANCELLED), "`run --watch`: the run was cancelled"),
    ("130", "interrupted"),
)


_CLUSTER = """\
The cluster is the one of `KUBECONFIG` or `~/.kube/config`, as for kubectl; where neither is there, that of
`sympozium up` in its usual place, and a line on standard error says so.
"""


def markdown() -> str:
    """The page. The same commands give the same text."""
    root = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        "Generated from the commands (`sympozium.cli.reference`); do not edit.\n",
        str(root.help or "").strip() + "\n",
        _CLUSTER,
        "| exit code | meaning |\n|---|---|\n"
        + "".join(f"| {code} | {meaning} |\n" for code, meaning in _EXIT_CODES),
        "## Options of every command\n",
        _options(root),
    ]
    for name, command in _commands(root, ()):
        parts += [f"## sympozium {' '.join(name)}\n", _command(name, command)]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _commands(command: Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    """The commands that do something, by name; groups are their commands."""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if getattr(child, "commands", None):
            yield from _commands(child, (*path, name))
        elif not child.hidden:
            yield (*path, name), child


def _command(path: tuple[str, ...], command: Command) -> str:
    context = Context(command, info_name=f"sympozium {' '.join(path)}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [(command.help or "").strip() + "\n", f"    {usage}\n"]
    arguments = [p for p in command.params if isinstance(p, TyperArgument) and getattr(p, "help", None)]
    if arguments:
        rows = "".join(
            f"| `{p.metavar or str(p.name).upper()}` | {_text(getattr(p, 'help', ''))} |\n" for p in arguments
        )
        parts.append("| argument | |\n|---|---|\n" + rows)
    parts.append(_options(command))
    return "\n".join(part for part in parts if part)


def _options(command: Command) -> str:
    rows = []
    for option in command.params:
        if not isinstance(option, TyperOption) or option.hidden:
            continue
        names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        default = option.default
        shown = default not in (None, False, "", ()) and not callable(default)
        text = _text(option.help) + (f" Default: `{default}`." if shown else "")
        rows.append(f"| {names} | {text.strip()} |\n")
    return "| option | |\n|---|---|\n" + "".join(rows) if rows else ""


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
