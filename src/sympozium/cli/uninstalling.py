"""What `sympozium uninstall` does besides Helm's part."""

import sys

from sympozium.actions import teardown
from sympozium.cli.failures import CommandError, one_line
from sympozium.kube import Client, KubeError


async def before(namespace: str, seconds: float, *, purge: bool) -> None:
    """The same as the chart's hook does, which then finds nothing left to do. Raises CommandError."""
    try:
        async with Client.connect(field_manager="sympozium-cli") as client:
            outcome = await teardown.teardown(client, namespace, seconds=seconds, purge=purge, told=_tell)
    except KubeError as exc:
        raise CommandError(one_line(str(exc))) from exc
    for words in outcome.left:
        print(f"left: {words}", file=sys.stderr)


async def after(namespace: str, *, purge: bool) -> None:
    """With `purge`: the kinds themselves, and what a process wrote while it ended. Raises CommandError."""
    if not purge:
        return
    try:
        async with Client.connect(field_manager="sympozium-cli") as client:
            count = await teardown.forget(client, namespace)
    except KubeError as exc:
        raise CommandError(one_line(str(exc))) from exc
    _tell(f"{count} CustomResourceDefinitions, keys and files were deleted")


def _tell(words: str) -> None:
    print(words, flush=True)
