"""`sympozium audit ...`: the commands, their options and their help."""

from pathlib import Path
from typing import Annotated

import typer

from sympozium.cli.options import ValueOutput, only

audit_app = typer.Typer(help="The signed, chained records of runs.", no_args_is_help=True)

Namespace = Annotated[str | None, typer.Option("-n", "--namespace", help="Namespace; else the kubeconfig's.")]
Uid = Annotated[
    str | None, typer.Option("--uid", help="Which of several runs that had this name, one after another.")
]


@audit_app.command("list")
def audit_list(
    namespace: Namespace = None,
    everywhere: Annotated[bool, typer.Option("-A", "--all-namespaces", help="All namespaces.")] = False,
    output: ValueOutput = None,
) -> None:
    """The records that there are, also of runs that are gone."""
    from sympozium.cli import audit as module, session

    only(output, "json", "yaml")
    session.run(lambda s: module.show_list(s, everywhere=everywhere, output=output), namespace)


@audit_app.command("show")
def audit_show(
    name: Annotated[str, typer.Argument(metavar="RUN")], namespace: Namespace = None, uid: Uid = None
) -> int:
    """A record in words, after it was verified."""
    from sympozium.cli import audit as module, session

    return session.run(lambda s: module.show(s, name, uid=uid), namespace)


@audit_app.command("export")
def audit_export(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    namespace: Namespace = None,
    uid: Uid = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; else standard output.")] = None,
) -> int:
    """A record as it is stored: JSON, one entry a line."""
    from sympozium.cli import audit as module, session

    return session.run(lambda s: module.export(s, name, uid=uid, output=output), namespace)


@audit_app.command("verify")
def audit_verify(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Exported records; - is standard input.")
    ],
    key: Annotated[
        str | None, typer.Option("--key", help="Public key of the installation (recordKey), in base64.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Hash that the last entry must have (status.audit.hash).")
    ] = None,
    is_open: Annotated[bool, typer.Option("--open", help="The run may not have ended yet.")] = False,
) -> int:
    """Do records hold? Needs the files alone: no cluster, no configuration."""
    from sympozium.cli import audit as module

    return module.verify(files, key=key, head=head, is_open=is_open)
