"""Options that several commands have. Nothing but typer is imported here, since `--help` needs them."""

from pathlib import Path
from typing import Annotated

import typer

from sympozium.cli.failures import EXIT_USAGE, CommandError

Namespace = Annotated[str | None, typer.Option("-n", "--namespace", help="Namespace; else the kubeconfig's.")]
Everywhere = Annotated[bool, typer.Option("-A", "--all-namespaces", help="All namespaces.")]
Output = Annotated[str | None, typer.Option("-o", "--output", help="json, yaml, name or wide.")]
Files = Annotated[
    list[str] | None, typer.Option("-f", "--filename", help="File, directory, or - for standard input.")
]
DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where its data is; else $SYMPOZIUM_HOME, else ~/.sympozium."),
]
ValueOutput = Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")]


def only(output: str | None, *formats: str) -> None:
    """Raises CommandError for another format."""
    if output is not None and output not in formats:
        raise CommandError(f"-o {output}: choose {' or '.join(formats)}", EXIT_USAGE)
