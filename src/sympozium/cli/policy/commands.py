"""The commands of `sympozium policy`, their options and their help; nothing but typer is imported to print them."""

from pathlib import Path
from typing import Annotated

import typer

from sympozium.cli.options import Everywhere, Namespace, ValueOutput, only

app = typer.Typer(
    help="Policies: find mistakes, test them, explain decisions, try one on past runs.", no_args_is_help=True
)
Paths = Annotated[list[Path], typer.Argument(metavar="FILE|DIR...")]


@app.command("check")
def policy_check(
    paths: Paths,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    output: ValueOutput = None,
) -> int:
    """Find mistakes and oddities in policies, without a cluster."""
    from sympozium.cli.policy import check

    only(output, "json", "yaml")
    return check.run(paths, strict=strict, output=output)


@app.command("test")
def policy_test(
    paths: Paths,
    output: ValueOutput = None,
) -> int:
    """Run the assertions of *.test.yaml files, without a cluster."""
    from sympozium.cli.policy import testing

    only(output, "json", "yaml")
    return testing.run(paths, output=output)


@app.command("explain")
def policy_explain(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    namespace: Namespace = None,
    filename: Annotated[
        list[Path] | None,
        typer.Option("-f", "--filename", help="Where policies are kept: lines are shown of these."),
    ] = None,
    output: ValueOutput = None,
) -> None:
    """Show each decision about a run, with its rule and where that stands."""
    from sympozium.cli import session
    from sympozium.cli.policy import explain

    only(output, "json", "yaml")
    session.run(lambda s: explain.explain(s, name, files=filename or [], output=output), namespace)


@app.command("backtest")
def policy_backtest(
    policy: Annotated[str, typer.Argument(metavar="FILE|NAME")],
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    since: Annotated[str, typer.Option(help="How far back, as 30d or 12h.")] = "30d",
    instance: Annotated[str | None, typer.Option(help="Runs of this instance alone.")] = None,
    output: ValueOutput = None,
) -> None:
    """Judge the tool calls of past runs by another policy: what would newly be denied, asked, allowed."""
    from sympozium.cli import session
    from sympozium.cli.policy import backtest

    only(output, "json", "yaml")
    age = backtest.since(since)
    candidate = backtest.from_file(policy) or policy
    session.run(
        lambda s: backtest.backtest(
            s, candidate, age=age, everywhere=everywhere, instance=instance, output=output
        ),
        namespace,
    )
