"""Entry point of the `skill-k8s-ops` container."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from sympozium.mcpsocket import listen, tool_server
from sympozium.skills.k8s_ops.access import AccessError, environment
from sympozium.skills.k8s_ops.server import K8sOps

SOCKETS = Path("/run/sympozium")


def socket_of(directory: Path) -> str | None:
    """The socket of this sidecar, under the name of whatever pack uses the image: `skill-<name>/mcp.sock`.

    None unless there is the one directory that the pod mounts for it.
    """
    mounted = sorted(directory.glob("skill-*"))
    return str(mounted[0] / "mcp.sock") if len(mounted) == 1 else None


async def serve(*, path: str, ops: K8sOps) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = tool_server("k8s-ops", list_tools=ops.list_tools, call_tool=ops.call_tool)
    async with listen(server, path):
        sys.stderr.write(f'{{"msg":"k8s-ops listens","socket":"{path}"}}\n')
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sympozium.skills.k8s_ops")
    parser.add_argument("--socket", help=f"without it {SOCKETS}/skill-<name>/mcp.sock")
    parser.add_argument("--workspace", type=Path, default=Path("/workspace"))
    options = parser.parse_args(arguments)
    path = options.socket or socket_of(SOCKETS)
    if path is None:
        sys.stderr.write(f"error: there is not one {SOCKETS}/skill-<name> to listen in; name the --socket\n")
        return 1
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        sys.stderr.write(
            "error: kubectl is not on PATH; install sympozium[local], or use an image that has it\n"
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="k8s-ops-") as home:
        try:
            env = environment(Path(home))
        except AccessError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        ops = K8sOps(kubectl=kubectl, environment=env, workspace=options.workspace)
        asyncio.run(serve(path=path, ops=ops))
    return 0


if __name__ == "__main__":
    sys.exit(main())
