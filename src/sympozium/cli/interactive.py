"""Commands for a person at a terminal: `init`, `top`, `open`, `completion`."""

from pathlib import Path
from typing import Annotated

import typer

from sympozium.cli.options import Everywhere, Namespace

app = typer.Typer()


@app.command()
def init(
    namespace: Namespace = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="Model endpoint (OpenAI-compatible), such as http://127.0.0.1:11434/v1."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Provider, as policies know it; else told from the address.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model; else the first that is listed.")] = None,
    key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the key.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that holds the key; - is standard input.")
    ] = None,
    pack: Annotated[str | None, typer.Option(help="Team to enable; none for no team.")] = None,
    instance: Annotated[str | None, typer.Option(help="Agent of the first run.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of the first run; none for no run.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the usual answers.")] = False,
) -> int:
    """Set up from nothing to a first run: control plane, model, team, task."""
    from sympozium.cli import init as module

    return module.init(
        module.Wishes(namespace, base_url, provider, model, key_env, key_file, pack, instance, task, yes)
    )


@app.command()
def top(namespace: Namespace = None, everywhere: Everywhere = False) -> int:
    """Watch runs at a terminal: follow one, decide what waits, stop one. A plain table where there is no terminal."""
    from sympozium.cli import session
    from sympozium.cli.top import app as module

    return session.run(lambda s: module.top(s, everywhere=everywhere), namespace)


@app.command("open")
def open_dashboard(
    only_print: Annotated[bool, typer.Option("--print", help="Print the link, open nothing.")] = False,
) -> int:
    """Open the dashboard, signed in by a link that works once."""
    from sympozium.cli import opening, session

    return session.run(lambda s: opening.open_dashboard(s, only_print=only_print))


@app.command()
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish")]) -> None:
    """Print completion for a shell: source <(sympozium completion bash), or into a file that the shell reads."""
    from sympozium.cli import completion as module

    print(module.script(shell), end="")
