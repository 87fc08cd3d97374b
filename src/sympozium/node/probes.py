"""Probes and lifecycle hooks: one try, and the counting of tries.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sympozium.node import netns
from sympozium.node.netns import Network
from sympozium.node.objects import Object
from sympozium.node.runtime import StartError

Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]
"""(argv, timeout) inside the container -> exit code and output."""


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is probed. `network` is its own one, if it has one."""

    container: Object
    host: str
    network: Network | None
    execute: Execute


class Counter:
    """Successes and failures in a row, against the thresholds of a probe."""

    def __init__(self, probe: Object) -> None:
        self._success = probe.get("successThreshold") or 1
        self._failure = probe.get("failureThreshold") or 3
        self._last: bool | None = None
        self._count = 0

    def add(self, ok: bool) -> bool | None:
        """The new result when this try decided one, None while it is undecided."""
        self._count = self._count + 1 if ok == self._last else 1
        self._last = ok
        return ok if self._count >= (self._success if ok else self._failure) else None


def port_of(value: int | str, container: Object) -> int:
    """A port by number, or by the name of one of the container's ports. Raises StartError."""
    if isinstance(value, int) or value.isdigit():
        return int(value)
    for port in container.get("ports") or ():
        if port.get("name") == value:
            return int(port["containerPort"])
    raise StartError(f"container {container['name']} has no port named {value}")


async def attempt(handler: Object, target: Target, timeout: float) -> tuple[bool, str]:  # noqa: ASYNC109  # of the probe
    """One try of `exec`, `httpGet`, `tcpSocket` or `sleep`: whether it succeeded, and why not."""
    try:
        if "exec" in handler:
            code, output = await target.execute(handler["exec"]["command"], timeout)
            return code == 0, output or "the command failed"
        async with asyncio.timeout(timeout if "sleep" not in handler else None):
            if "tcpSocket" in handler:
                _, writer = await _connect(handler["tcpSocket"], target)
                writer.close()
                return True, ""
            if "sleep" in handler:
                await asyncio.sleep(handler["sleep"]["seconds"])
                return True, ""
            if "grpc" in handler:
                return await _grpc(handler["grpc"], target)
            return await _http(handler["httpGet"], target)
    except TimeoutError:
        return False, f"no answer within {timeout:g} s"
    except (OSError, StartError, ValueError) as exc:
        return False, str(exc) or type(exc).__name__


async def _connect(
    action: Object, target: Target, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host = action.get("host") or target.host
    port = port_of(action["port"], target.container)
    if target.network is None:
        return await asyncio.open_connection(host, port, ssl=tls)
    sock = netns.socket_inside(target.network)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=host if tls else None)


async def _grpc(action: Object, target: Target) -> tuple[bool, str]:
    from sympozium.node import grpchealth

    reader, writer = await _connect(action, target)
    try:
        authority = f"{target.host}:{action['port']}"
        return await grpchealth.check(reader, writer, action.get("service") or "", authority)
    except asyncio.IncompleteReadError:
        return False, "error: the server has closed the connection without an answer"
    finally:
        writer.close()


async def _http(action: Object, target: Target) -> tuple[bool, str]:
    tls = None
    if action.get("scheme", "HTTP").upper() == "HTTPS":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # as the kubelet: the pod's own certificate
    reader, writer = await _connect(action, target, tls)
    try:
        headers = {"Host": f"{action.get('host') or target.host}:{port_of(action['port'], target.container)}"}
        headers |= {"User-Agent": "kube-probe/sympozium", "Connection": "close", "Accept": "*/*"}
        headers |= {h["name"]: h["value"] for h in action.get("httpHeaders") or ()}
        lines = [
            f"GET {action.get('path') or '/'} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        line = (await reader.readline()).decode(errors="replace").split(" ", 2)
        if len(line) < 2 or not line[1].strip().isdigit():
            return False, "the answer is not HTTP"
        status = int(line[1])
        return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"
    finally:
        writer.close()
