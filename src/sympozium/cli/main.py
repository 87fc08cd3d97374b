"""The commands, their options and their help; nothing but typer is imported to print them."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from sympozium.actions.errors import ActionError, UsageError
from sympozium.cli.auditapp import audit_app
from sympozium.cli.failures import EXIT_ERROR, EXIT_USAGE, CommandError, one_line
from sympozium.cli.installing import app as installing_app
from sympozium.cli.interactive import app as interactive_app
from sympozium.cli.options import DataDirectory, Everywhere, Files, Namespace, Output, ValueOutput, only
from sympozium.cli.policy.commands import app as policy_app
from sympozium.cli.release import release_app
from sympozium.cli.serve import serve_app

app = typer.Typer(
    help="A Kubernetes-native control plane for AI agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
approvals_app = typer.Typer(help="What waits for a person, and the person's decision.", no_args_is_help=True)
pack_app = typer.Typer(help="Teams of agents: the catalogue, and enabling them.", no_args_is_help=True)
app.add_typer(interactive_app)
app.add_typer(installing_app)
app.add_typer(approvals_app, name="approvals")
app.add_typer(audit_app, name="audit")
app.add_typer(pack_app, name="pack")
app.add_typer(policy_app, name="policy")
app.add_typer(release_app, name="release")
app.add_typer(serve_app, name="serve")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (NO_COLOR does the same).")
    ] = False,
) -> None:
    if no_color:
        os.environ["NO_COLOR"] = "1"
    if version:
        from sympozium import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


# -- this machine


@app.command()
def up(
    data_dir: DataDirectory = None,
    port: Annotated[
        int, typer.Option(help="Port of the API on 127.0.0.1; 0 picks a free one.", min=0, max=65535)
    ] = 7443,
    dashboard_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the API server and its dashboard on 127.0.0.1; 0 picks a free one. [default: 7480, or a free one with --port 0]",
            min=0,
            max=65535,
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is ready.")] = False,
    token_auth_file: Annotated[
        Path | None, typer.Option(help="Users, in kube-apiserver's CSV format.")
    ] = None,
) -> int:
    """Start the whole control plane on this machine."""
    from sympozium.up import commands
    from sympozium.up.paths import default_data_dir

    try:
        return commands.up(
            data_dir or default_data_dir(),
            port=port,
            dashboard_port=dashboard_port,
            detach=detach,
            token_auth_file=token_auth_file,
        )
    except commands.UpError as exc:
        raise CommandError(one_line(str(exc))) from exc


@app.command()
def down(data_dir: DataDirectory = None) -> int:
    """Stop what `up` started."""
    from sympozium.up import commands
    from sympozium.up.paths import default_data_dir

    try:
        return commands.down(data_dir or default_data_dir())
    except commands.UpError as exc:
        raise CommandError(one_line(str(exc))) from exc


@app.command()
def kube(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="Run this with KUBECONFIG set, then stop."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Keep its objects here; else they go when it ends.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = 0,
    token_auth_file: Annotated[
        Path | None, typer.Option(help="Users, in kube-apiserver's CSV format.")
    ] = None,
    write_kubeconfig: Annotated[
        Path | None, typer.Option(help="Write the administrator's kubeconfig here too.")
    ] = None,
) -> int:
    """The embedded Kubernetes API alone, for tests of your own."""
    from sympozium.cli import kube as module

    return module.run(
        command or [], data_dir=data_dir, port=port, token_auth_file=token_auth_file, write=write_kubeconfig
    )


@app.command()
def status(output: ValueOutput = None) -> int:
    """Is it running, are its parts well, what is going on."""
    from sympozium.cli import session, status as module

    only(output, "json", "yaml")
    return session.run(lambda s: module.status(s, output=output))


@app.command()
def doctor(namespace: Namespace = None, output: ValueOutput = None) -> int:
    """Look at each part of an installation, try whether network policies hold, and say what to do."""
    from sympozium.cli import doctor as module, session

    only(output, "json", "yaml")
    return session.run(lambda s: module.doctor(s, output=output), namespace)


# -- objects


@app.command()
def apply(
    filename: Files = None,
    namespace: Namespace = None,
    force_conflicts: Annotated[bool, typer.Option(help="Take fields that others manage.")] = False,
) -> None:
    """Apply manifests (server-side apply, strict: unknown fields are refused)."""
    if not filename:
        raise CommandError("name a manifest: sympozium apply -f FILE", EXIT_USAGE)
    from sympozium.cli import apply as module, session

    session.run(lambda s: module.apply(s, filename, force=force_conflicts), namespace)


@app.command()
def get(
    kind: Annotated[
        str, typer.Argument(metavar="TYPE[/NAME]", help="Type, short name or category; several with commas.")
    ],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME")] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    output: Output = None,
    selector: Annotated[str, typer.Option("-l", "--selector", help="Label selector.")] = "",
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Print changes as they come.")] = False,
) -> None:
    """List objects of any kind."""
    from sympozium.cli import get as module, session

    session.run(
        lambda s: module.get(
            s, kind, names or [], everywhere=everywhere, output=output, selector=selector, watch=watch
        ),
        namespace,
    )


@app.command()
def describe(
    kind: Annotated[str, typer.Argument(metavar="TYPE[/NAME]")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME")] = None,
    namespace: Namespace = None,
) -> None:
    """Show an object, its conditions and its events."""
    from sympozium.cli import describe as module, session

    session.run(lambda s: module.describe(s, kind, names or []), namespace)


@app.command()
def delete(
    kind: Annotated[str | None, typer.Argument(metavar="TYPE[/NAME]")] = None,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME")] = None,
    filename: Files = None,
    namespace: Namespace = None,
) -> None:
    """Delete objects."""
    from sympozium.cli import apply as module, session

    session.run(lambda s: module.delete(s, kind, names or [], filename or []), namespace)


@app.command()
def crds() -> None:
    """Print the CustomResourceDefinitions."""
    from importlib import resources

    directory = resources.files("sympozium.api") / "crds"
    files = sorted((f for f in directory.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    print("\n---\n".join(f.read_text().strip() for f in files))


# -- runs


@app.command()
def run(
    instance: Annotated[str, typer.Argument(help="SympoziumInstance that does it.")],
    task: Annotated[str, typer.Argument(help="What it shall do.")],
    namespace: Namespace = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow it; the exit code tells the result.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Model, instead of the instance's.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Longest time, such as 10m.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the pod when it is over.")] = False,
    output: Output = None,
) -> int:
    """Give an agent a task."""
    from sympozium.actions.runs import Wanted
    from sympozium.cli import runs, session

    for value, what in ((instance, "INSTANCE"), (task, "TASK"), (model, "--model"), (timeout, "--timeout")):
        if value is not None and not value.strip():
            raise CommandError(f"{what} is empty", EXIT_USAGE)
    if output and watch:
        raise CommandError(
            "-o is for the run that is made, --watch for its transcript: one of the two", EXIT_USAGE
        )
    wanted = Wanted(instance, task, model=model, timeout=timeout, keep=keep)
    name = session.run(lambda s: runs.start(s, wanted, output=output), namespace)
    if not watch:
        return 0
    from sympozium.cli import logs as module

    session.run(lambda s: module.logs(s, name, follow=True), namespace)
    return session.run(lambda s: runs.result(s, name), namespace)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    namespace: Namespace = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Until the run ends.")] = False,
    output: Annotated[str | None, typer.Option("-o", "--output", help="json: one message a line.")] = None,
) -> None:
    """Print the transcript of a run."""
    from sympozium.cli import logs as module, session

    only(output, "json")
    session.run(lambda s: module.logs(s, name, follow=follow, as_json=output == "json"), namespace)


Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN...]")]
RunSelector = Annotated[str | None, typer.Option("-l", "--selector", help="Runs with these labels.")]
Patience = Annotated[float, typer.Option(help="Seconds to wait for the runs' answers.", min=0)]


@app.command()
def stop(
    names: Runs = None,
    namespace: Namespace = None,
    selector: RunSelector = None,
    everywhere: Everywhere = False,
    everything: Annotated[
        bool, typer.Option("--all", help="The installation: what goes on is held, nothing starts.")
    ] = False,
    kill: Annotated[bool, typer.Option("--kill", help="End them as Cancelled, pods too.")] = False,
    timeout: Patience = 30.0,
    output: ValueOutput = None,
) -> int:
    """Freeze runs where they are: no tool call and no step begins; say what is in flight."""
    from sympozium.cli import session, stop as module

    only(output, "json", "yaml")
    asked = module.Asked(names or (), selector, everything, everywhere)
    return session.run(lambda s: module.stop(s, asked, kill=kill, seconds=timeout, output=output), namespace)


@app.command()
def resume(
    names: Runs = None,
    namespace: Namespace = None,
    selector: RunSelector = None,
    everywhere: Everywhere = False,
    everything: Annotated[bool, typer.Option("--all", help="The installation.")] = False,
    timeout: Patience = 30.0,
    output: ValueOutput = None,
) -> int:
    """Let stopped runs go on."""
    from sympozium.cli import session, stop as module

    only(output, "json", "yaml")
    asked = module.Asked(names or (), selector, everything, everywhere)
    return session.run(lambda s: module.resume(s, asked, seconds=timeout, output=output), namespace)


@approvals_app.command("list")
def approvals_list(
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    all_of_them: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    output: Output = None,
) -> None:
    """What waits for a decision."""
    from sympozium.cli import approvals as module, session

    session.run(
        lambda s: module.show_list(s, everywhere=everywhere, all_of_them=all_of_them, output=output),
        namespace,
    )


@approvals_app.command("show")
def approvals_show(name: str, namespace: Namespace = None, output: Output = None) -> None:
    """What exactly is asked."""
    from sympozium.cli import approvals as module, session

    session.run(lambda s: module.show(s, name, output=output), namespace)


Comment = Annotated[str | None, typer.Option(help="For the record.")]


@approvals_app.command("approve")
def approvals_approve(
    name: str,
    namespace: Namespace = None,
    comment: Comment = None,
    scope: Annotated[
        str | None, typer.Option(help="once (this call), or run (the same arguments again in this run).")
    ] = None,
    output: Output = None,
) -> None:
    """Let the call go on."""
    from sympozium.cli import approvals as module, session

    session.run(
        lambda s: module.decide(s, name, "Approved", comment=comment, scope=scope, output=output), namespace
    )


@approvals_app.command("deny")
def approvals_deny(
    name: str, namespace: Namespace = None, comment: Comment = None, output: Output = None
) -> None:
    """Refuse the call; the run goes on without it."""
    from sympozium.cli import approvals as module, session

    session.run(
        lambda s: module.decide(s, name, "Denied", comment=comment, scope=None, output=output), namespace
    )


@pack_app.command("list")
def pack_list(output: Output = None) -> None:
    """The catalogue, and what is enabled where."""
    from sympozium.cli import packs, session

    session.run(lambda s: packs.show_list(s, output=output))


@pack_app.command("enable")
def pack_enable(name: str, namespace: Namespace = None, output: Output = None) -> None:
    """Enable a team in a namespace."""
    from sympozium.cli import packs, session

    session.run(lambda s: packs.enable(s, name, output=output), namespace)


@pack_app.command("disable")
def pack_disable(name: str, namespace: Namespace = None, output: Output = None) -> None:
    """Remove a team's instances and schedules; its runs and Secrets stay."""
    from sympozium.cli import packs, session

    session.run(lambda s: packs.disable(s, name, output=output), namespace)


# -- parts


_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=_PASSED_ON)
def agent(context: typer.Context) -> int:
    """Be the agent of a run (what its container starts); see: sympozium agent --help."""
    from sympozium.agent.__main__ import main

    return main(context.args)


@app.command(context_settings=_PASSED_ON)
def tools(context: typer.Context) -> int:
    """Be the tool server of a run (what its container starts); see: sympozium tools --help."""
    from sympozium.tools.__main__ import main

    return main(context.args)


def run_app(arguments: list[str]) -> int:
    """The command line without the process around it: returns the exit code."""
    from typer._click.exceptions import NoArgsIsHelpError

    if arguments[:1] == ["__complete"]:
        # Not by way of the commands' own machinery: it loads pydantic, and the person types on.
        from sympozium.cli.completion import answer

        return answer(typer.main.get_command(app), arguments[2:])
    try:
        outcome: Any = app(arguments, prog_name="sympozium", standalone_mode=False)
    except CommandError as exc:
        return _fail(str(exc), exc.code)
    except UsageError as exc:
        return _fail(str(exc), EXIT_USAGE)
    except ActionError as exc:
        return _fail(str(exc))
    except typer.Exit as exc:
        return exc.exit_code
    except NoArgsIsHelpError as exc:
        print(exc.format_message())
        return EXIT_USAGE
    except typer.TyperException as exc:
        context: typer.Context | None = getattr(exc, "ctx", None)
        hint = f" (see: {context.command_path} --help)" if context else ""
        return _fail(exc.format_message() + hint, EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no words, and no second failure at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return outcome if isinstance(outcome, int) else 0


def _fail(message: str, code: int = EXIT_ERROR) -> int:
    print(f"error: {one_line(message)}", file=sys.stderr)
    return code
