"""A Service of the system namespace on a port of this machine, through the Kubernetes API: kubectl forwards it."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sympozium.actions.errors import MissingError, UnavailableError
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.kubeconfig import Access
from sympozium.kube.resources import SERVICES

_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """`near` is host:port on this machine; `process` ends when the tunnel does."""

    near: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def forwarded(client: Client, service: str) -> AsyncIterator[Tunnel]:
    """The first port of a Service, as long as the block lasts. Raises MissingError, UnavailableError."""
    found = await client.find(SERVICES, service, SYSTEM_NAMESPACE)
    if found is None:
        raise MissingError(f"Service {service} is not in {SYSTEM_NAMESPACE}")
    beside = Path(sys.executable).with_name("kubectl")
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if program is None:
        raise UnavailableError(
            f"Service {service} is reached through the Kubernetes API by kubectl, which is not here: install it"
        )
    port = found["spec"]["ports"][0]["port"]
    process = await asyncio.create_subprocess_exec(
        program, "port-forward", "--namespace", SYSTEM_NAMESPACE, "--address", "127.0.0.1",
        f"service/{service}", f":{port}",
        env={**os.environ, **_kubeconfig_of(client.access)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        process_group=0,  # Ctrl-C is for us, who end it
    )  # fmt: skip
    try:
        yield Tunnel(await _listening(process), process)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def _kubeconfig_of(access: Access) -> dict[str, str]:
    """Kubectl looks for the same file as we do, except where it is the one of this machine's `up`."""
    return (
        {}
        if os.environ.get("KUBECONFIG") or not Path(access.source).is_file()
        else {"KUBECONFIG": access.source}
    )


async def _listening(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    line = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS):
            line = await process.stdout.readline()
    # Forwarding from 127.0.0.1:43210 -> 8080
    words = line.decode(errors="replace").split()
    if words[:2] != ["Forwarding", "from"]:
        errors = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                errors = await process.stderr.read()
        said = "; ".join(part for part in errors.decode(errors="replace").strip().splitlines() if part)
        raise UnavailableError(f"kubectl port-forward: {said or 'it does not start'}")
    return words[2]
