"""The command: flags, the data directory's port and kubeconfig, and the run itself.

    python -m sympozium.localkube --data-dir DIR [--port N] [--token-auth-file CSV] [--health-port N]

DIR gets `pki/`, `state.db`, `port` and `kubeconfig` (user `sympozium`, a client certificate of
system:masters). When ready, one line of JSON goes to stdout: {"ready": true, "url": "https://..."}. Port 0
(the default) picks a free port once and keeps it in DIR/port, so that kubeconfigs stay good.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import orjson

from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.localkube.app import APIServer, compact_forever
from sympozium.localkube.controllers.cluster import Place
from sympozium.localkube.http.asgi import Application
from sympozium.localkube.http.server import PortInUseError, Server, bind, tls_context
from sympozium.localkube.store import StoreError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m sympozium.localkube", description="An embedded Kubernetes API."
    )
    made.add_argument(
        "--data-dir", type=Path, required=True, help="where state, certificates and kubeconfig live"
    )
    made.add_argument("--port", type=int, default=0, help="HTTPS port on 127.0.0.1; 0 picks one and keeps it")
    made.add_argument(
        "--token-auth-file", type=Path, help='CSV as kube-apiserver\'s: token,user,uid,"group,..."'
    )
    made.add_argument("--health-port", type=int, default=0, help="plain /healthz /readyz /metrics; 0 is none")
    made.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop with the process that holds the other end of stdin",
    )
    made.add_argument("--log-level", default="INFO")
    return made


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 after a signal, 1 when it could not start; the reason is one line on stderr."""
    import uvloop

    arguments = parser().parse_args(argv)
    arguments.data_dir = arguments.data_dir.absolute()
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    _log_json(arguments.log_level)
    try:
        uvloop.run(run(arguments))
    except (StoreError, PortInUseError, ValueError, OSError) as error:
        sys.stderr.write(f"localkube: {error}\n")
        return 1
    return 0


def _log_json(level: str) -> None:
    from sympozium.telemetry import logs

    logs.setup("localkube", level=level)


def kept_port(data_dir: Path, asked: int) -> int:
    """The port to listen on: what was asked for, else what this directory had, else 0."""
    path = data_dir / "port"
    if asked or not path.exists():
        return asked
    return int(path.read_text())


async def run(arguments: argparse.Namespace) -> None:
    """Serves until a signal. Raises what keeps it from starting."""
    data_dir: Path = arguments.data_dir
    listener = bind(HOST, kept_port(data_dir, arguments.port))
    port: int = listener.getsockname()[1]
    url = f"https://{HOST}:{port}"
    api = APIServer(data_dir, address=f"{HOST}:{port}", token_file=arguments.token_auth_file)
    try:
        await api.start()
        write_whole(data_dir / "port", str(port).encode())
        write_whole(data_dir / "kubeconfig", kubeconfig(url, api.authority))
        pki = api.authority
        context = tls_context(pki.serving.certificate, pki.serving.key, pki.certificate_path)

        def ready() -> None:
            sys.stdout.write(orjson.dumps({"ready": True, "url": url}).decode() + "\n")
            sys.stdout.flush()

        application = Application(api.chain, api.access.authenticator)
        server = Server(application, context, drain=api.drain, ready=ready)
        place = Place(address=f"{HOST}:{port}", volumes=data_dir / "volumes")
        async with _background(api, place), _health(api, arguments.health_port):
            if arguments.until_stdin_closes:
                _stop_at_end_of_stdin(server)
            await server.serve(sockets=[listener])
    finally:
        await api.close()
        listener.close()


def _stop_at_end_of_stdin(server: Server) -> None:
    """So that a test run which is killed leaves no server behind; what comes on stdin is not for us."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            server.handle_exit(signal.SIGTERM, None)

    loop.add_reader(descriptor, readable)


@contextlib.asynccontextmanager
async def _background(api: APIServer, place: Place) -> AsyncIterator[None]:
    """Controllers and compaction, for as long as the block runs."""
    from sympozium.localkube.controllers import run as controllers

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(compact_forever(api.store)),
            group.create_task(api.quotas.run()),
            group.create_task(
                controllers.run(
                    api.client,
                    ca_certificate=api.authority.certificate_pem.decode(),
                    counts=api.controller_counts,
                    place=place,
                )
            ),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@contextlib.asynccontextmanager
async def _health(api: APIServer, port: int) -> AsyncIterator[None]:
    """The plain health port, when there is one."""
    if not port:
        yield
        return
    from sympozium.telemetry import health

    def missing() -> list[str]:
        return [name for name, probe in api.readiness.checks().items() if not probe()]

    async with health.serve(port, missing):
        yield


def kubeconfig(url: str, authority: CertificateAuthority) -> bytes:
    """The administrator's kubeconfig; JSON is YAML, and needs no YAML writer here."""

    def data(raw: bytes) -> str:
        return b64encode(raw).decode()

    name = "sympozium"
    user = {
        "client-certificate-data": data(authority.admin.certificate.read_bytes()),
        "client-key-data": data(authority.admin.key.read_bytes()),
        # The same user for what cannot present a certificate: a session in a browser.
        "token": authority.admin_token(),
    }
    cluster = {"server": url, "certificate-authority-data": data(authority.certificate_pem)}
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        },
        option=orjson.OPT_INDENT_2,
    )


def write_whole(path: Path, data: bytes) -> None:
    """For the owner alone, and never half."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)
