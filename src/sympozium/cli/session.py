"""The Kubernetes access of a command: the kubeconfig as kubectl finds it, else this machine's `up`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from sympozium.bus.errors import BusError
from sympozium.cli.failures import CommandError, one_line
from sympozium.cli.output import plain
from sympozium.cli.place import own_kubeconfig
from sympozium.kube import Client
from sympozium.kube.errors import ConfigError, KubeError, UnauthorizedError, UnreachableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and the namespace that the command speaks of."""

    client: Client
    namespace: str


def _own_kubeconfig() -> Path | None:
    path = own_kubeconfig()
    if path is not None:
        _say_once(f"using {path} (KUBECONFIG is not set)")
    return path


@cache
def _say_once(words: str) -> None:
    """On standard error; a command may connect several times."""
    print(words, file=sys.stderr)


@asynccontextmanager
async def connect(namespace: str | None = None) -> AsyncIterator[Session]:
    """Raises CommandError when there is no cluster to speak to."""
    try:
        client = Client.connect(_own_kubeconfig(), field_manager="sympozium-cli")
    except ConfigError as exc:
        raise CommandError(
            f"{one_line(str(exc))}; set KUBECONFIG, or start one with: sympozium up --detach"
        ) from exc
    client.on_warning = lambda words: _say_once(f"warning: {plain(one_line(words))}")
    async with client:
        yield Session(client, namespace or client.namespace or "default")


def run(action: Callable[[Session], Awaitable[T]], namespace: str | None = None) -> T:
    """Run one action with a session; refusals of the API and the bus become CommandErrors in their own words."""

    async def main() -> T:
        async with connect(namespace) as session:
            return await action(session)

    try:
        return asyncio.run(main())
    except UnreachableError as exc:
        raise CommandError(
            f"the API server does not answer: {one_line(str(exc))}; is it running? (sympozium status)"
        ) from exc
    except UnauthorizedError as exc:
        raise CommandError(
            f"the API server does not know these credentials: {one_line(str(exc))}; check KUBECONFIG"
        ) from exc
    except KubeError as exc:
        raise CommandError(one_line(str(exc))) from exc
    except BusError as exc:
        raise CommandError(f"{one_line(str(exc))}; is nats-server running? (sympozium status)") from exc
