"""`sympozium release`: what the hooks of the chart run, and what people without hooks run by hand."""

import sys
from typing import Annotated

import typer

release_app = typer.Typer(
    help="What the chart's hooks run: before a release goes, and to test one.", no_args_is_help=True
)

Timeout = Annotated[float, typer.Option(help="Seconds that runs have to end by themselves.", min=0)]
Purge = Annotated[
    bool,
    typer.Option("--purge", help="Delete all objects of our kinds, the keys and the volumes of the bus."),
]


@release_app.command("teardown")
def release_teardown(timeout: Timeout = 120.0, purge: Purge = False) -> int:
    """End all runs, stop the controllers, take finalizers away: then nothing of an installation needs it any more."""
    from sympozium.actions.teardown import teardown
    from sympozium.api.meta import SYSTEM_NAMESPACE
    from sympozium.cli import session

    outcome = session.run(
        lambda s: teardown(s.client, SYSTEM_NAMESPACE, seconds=timeout, purge=purge, told=_tell)
    )
    for words in outcome.left:
        print(f"left: {words}", file=sys.stderr)
    return 1 if outcome.left else 0


@release_app.command("test")
def release_test() -> int:
    """Are the parts of this installation ready, and does its webhook judge."""
    from sympozium.actions.selftest import selftest
    from sympozium.cli import session

    for words in session.run(lambda s: selftest(s.client)):
        print(words)
    return 0


def _tell(words: str) -> None:
    print(words, flush=True)
