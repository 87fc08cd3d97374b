"""`sympozium serve`: the parts of the control plane, as processes."""

import contextlib
import errno
import ipaddress
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sympozium import undumpable
from sympozium.cli.failures import EXIT_USAGE, CommandError


class OidcMode(StrEnum):
    PASSTHROUGH = "passthrough"
    IMPERSONATE = "impersonate"


serve_app = typer.Typer(
    help="Run one part of the control plane (what `up` and the chart start).", no_args_is_help=True
)


@serve_app.callback()
def _begin() -> None:
    undumpable.when_asked()


HealthPort = Annotated[
    int, typer.Option(help="Port of /healthz, /readyz and /metrics; 0 for none.", min=0, max=65535)
]
HealthHost = Annotated[
    str, typer.Option(help="Address of that port; 0.0.0.0 in a pod, whose probes come from its node.")
]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        help="How browsers reach the API server, where a proxy stands before it.",
        envvar="SYMPOZIUM_PUBLIC_URL",
    ),
]


_NO_PORT = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})


@contextlib.contextmanager
def _start_in_words() -> Iterator[None]:
    """What keeps a part from starting is one line: its supervisor, or `kubectl logs`, shows the last ones."""
    from sympozium.kube.errors import ConfigError

    try:
        yield
    except (ConfigError, OSError, BaseExceptionGroup) as error:
        cause = _only(error)
        if isinstance(cause, ConfigError):
            raise CommandError(str(cause), EXIT_USAGE) from error
        if isinstance(cause, OSError) and cause.errno in _NO_PORT:
            raise CommandError(f"cannot listen: {cause.strerror}; see --port and --health-port") from error
        raise


def _only(error: BaseException) -> BaseException:
    """What a group is about, when it is about one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@serve_app.command("controller")
def serve_controller(
    bus_url: Annotated[
        str | None,
        typer.Option(
            help="On a cluster, the Service of the NATS pods: nats://sympozium-nats.NAMESPACE.svc:4222. Makes the keys of "
            "the installation where they are not there."
        ),
    ] = None,
    bus_replicas: Annotated[
        int, typer.Option(help="NATS pods, each of which keeps every message: 1, or 3 or 5.", min=1, max=5)
    ] = 1,
    bus_storage: Annotated[
        str, typer.Option(help="Size of the volume of each, as Kubernetes writes it.")
    ] = "1Gi",
    public_url: PublicUrl = None,
    health_port: HealthPort = 0,
    health_host: HealthHost = "127.0.0.1",
) -> int:
    """Run the controllers."""
    from sympozium import quantities
    from sympozium.controllers.bootstrap import Cluster
    from sympozium.controllers.main import run as serve

    if bus_replicas % 2 == 0:
        raise CommandError(f"--bus-replicas {bus_replicas}: an even number survives no more than the odd one below", EXIT_USAGE)  # fmt: skip
    cluster = None
    if bus_url:
        try:
            storage = int(quantities.parse(bus_storage))
        except ValueError as exc:
            raise CommandError(f"--bus-storage: {exc}", EXIT_USAGE) from exc
        cluster = Cluster(bus_url, bus_replicas, storage, public_url)
    with _start_in_words():
        return serve(health_port=health_port, health_host=health_host, cluster=cluster)


@serve_app.command("webhook")
def serve_webhook(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9443,
    url_base: Annotated[
        str | None,
        typer.Option(
            help="How the API server reaches it where it is no pod behind Service sympozium-webhook, such as "
            "https://127.0.0.1:9443. It then listens on 127.0.0.1 alone."
        ),
    ] = None,
    certificate_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory with tls.crt and tls.key that cert-manager keeps, with who trusts them; read again when "
            "they change. Without, it makes its own, and writes its CA into the webhook configurations."
        ),
    ] = None,
    health_port: HealthPort = 0,
    health_host: HealthHost = "127.0.0.1",
) -> int:
    """Run the admission webhook."""
    from sympozium.webhook.main import run as serve

    with _start_in_words():
        return serve(
            port=port, url_base=url_base, certificate_dir=certificate_dir,
            health_port=health_port, health_host=health_host,
        )  # fmt: skip


@serve_app.command("apiserver")
def serve_apiserver(
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)
    ] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state_dir: Annotated[
        Path | None, typer.Option(help="Directory for its ledger of usage; without one it is kept in memory.")
    ] = None,
    public_url: PublicUrl = None,
    installation: Annotated[
        str | None, typer.Option(help="What the dashboard calls this installation; else its host.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Pages of this origin may send bearer tokens; may be repeated.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy whose X-Forwarded-* is believed; may be repeated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain (PEM); read again when it changes.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    oidc_issuer: Annotated[
        str | None,
        typer.Option(help="Sign in with this OpenID Connect provider.", envvar="SYMPOZIUM_OIDC_ISSUER"),
    ] = None,
    oidc_client_id: Annotated[
        str, typer.Option(help="What the provider calls this application.", envvar="SYMPOZIUM_OIDC_CLIENT_ID")
    ] = "",
    oidc_client_secret_file: Annotated[
        Path | None, typer.Option(help="File with the client's secret; a public client has none.")
    ] = None,
    oidc_scope: Annotated[
        list[str] | None,
        typer.Option(help="Scope to ask for, may be repeated: openid, profile, email without any."),
    ] = None,
    oidc_mode: Annotated[
        OidcMode,
        typer.Option(
            help="passthrough: Kubernetes trusts the provider too. impersonate: it trusts this server."
        ),
    ] = OidcMode.PASSTHROUGH,
    oidc_username_claim: Annotated[
        str, typer.Option(help="Claim with the user's name (impersonate).")
    ] = "sub",
    oidc_groups_claim: Annotated[str, typer.Option(help="Claim with their groups (impersonate).")] = "groups",
    oidc_username_prefix: Annotated[str, typer.Option(help="Before each name (impersonate).")] = "oidc:",
    oidc_groups_prefix: Annotated[str, typer.Option(help="Before each group (impersonate).")] = "oidc:",
    oidc_ca_file: Annotated[
        Path | None,
        typer.Option(help="Certificate authority of the provider (PEM), where it is none of the system's."),
    ] = None,
    max_body: Annotated[int, typer.Option(help="Bytes that a request's body may have.", min=1024)] = 1024
    * 1024,
    max_connections: Annotated[int, typer.Option(help="Connections at a time.", min=10)] = 4096,
    requests_per_second: Annotated[
        int, typer.Option(help="Requests of one credential; four times as many at once.", min=1)
    ] = 50,
    max_streams: Annotated[int, typer.Option(help="Live streams that may be open.", min=1)] = 2000,
    max_streams_per_caller: Annotated[
        int, typer.Option(help="Live streams that one credential may have open.", min=1)
    ] = 100,
    stream_stall: Annotated[
        float, typer.Option(help="Seconds in which a client must take what a stream sends.", min=0.1)
    ] = 20,
    stream_recheck: Annotated[
        float, typer.Option(help="Seconds after which a stream asks again whether it may go on.", min=1)
    ] = 30,
    node_probe: Annotated[
        bool,
        typer.Option(
            "--node-probe",
            help="Offer the model servers that the node probes of this namespace found, who sets up.",
        ),
    ] = False,
    health_port: HealthPort = 0,
    health_host: HealthHost = "127.0.0.1",
) -> int:
    """Run the API server, with the dashboard (docs/api.md)."""
    from sympozium.server.main import run as serve
    from sympozium.server.settings import Settings
    from sympozium.server.signin.provider import OidcSettings

    oidc = None
    if oidc_issuer:
        oidc = OidcSettings(
            issuer=oidc_issuer, client_id=oidc_client_id, client_secret_file=oidc_client_secret_file,
            scopes=tuple(oidc_scope or ("openid", "profile", "email")), mode=oidc_mode.value,
            username_claim=oidc_username_claim, groups_claim=oidc_groups_claim,
            username_prefix=oidc_username_prefix, groups_prefix=oidc_groups_prefix, ca_file=oidc_ca_file,
        )  # fmt: skip
    settings = Settings(
        oidc=oidc,
        host=host, port=port, state_dir=state_dir, public_url=public_url, installation=installation,
        cors_origins=cors_origin or (), trusted_proxies=trusted_proxy or (), tls_cert=tls_cert, tls_key=tls_key,
        max_body=max_body, max_connections=max_connections,
        requests_per_second=requests_per_second,
        max_streams=max_streams, max_streams_per_caller=max_streams_per_caller,
        stream_stall=stream_stall, stream_recheck=stream_recheck, node_probe=node_probe,
    )  # fmt: skip
    with _start_in_words():
        return serve(settings, health_port=health_port, health_host=health_host)


@serve_app.command("egress")
def serve_egress(
    port: Annotated[int, typer.Option(help="Port of the proxy.", min=1, max=65535)] = 8889,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 - in a pod
    health_port: HealthPort = 0,
    health_host: HealthHost = "127.0.0.1",
) -> int:
    """Run the proxy through which runs with a closed network reach names (for clusters)."""
    from sympozium.egress.main import run as serve

    with _start_in_words():
        return serve(port=port, host=host, health_port=health_port, health_host=health_host)


@serve_app.command("node-probe")
def serve_node_probe(
    node: Annotated[str, typer.Option(help="Name of the node.", envvar="SYMPOZIUM_NODE_NAME")],
    address: Annotated[
        str,
        typer.Option(
            help="Its address, as pods reach it (status.hostIP of the pod).", envvar="SYMPOZIUM_NODE_ADDRESS"
        ),
    ],
    port: Annotated[
        list[int] | None,
        typer.Option(
            help="Port where a model server may be, up to ten times; those of Ollama, vLLM, LM Studio, llama.cpp and "
            "SGLang without any.",
            min=1, max=65535,
        ),
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds from one look to the next.", min=1)] = 60,
    health_port: Annotated[
        int, typer.Option(help="Port of /models, /healthz, /readyz and /metrics.", min=1, max=65535)
    ] = 8081,
    health_host: HealthHost = "127.0.0.1",
) -> int:  # fmt: skip
    """Look for model servers on a node, and tell what was found at /models (for clusters)."""
    from sympozium.actions.nodelisting import MOST_PORTS
    from sympozium.nodeprobe.main import run as serve
    from sympozium.nodeprobe.probe import PORTS

    ports = tuple(port or PORTS)
    if len(ports) > MOST_PORTS:
        raise CommandError(f"--port: {len(ports)} are too many, {MOST_PORTS} the most", EXIT_USAGE)
    try:
        ipaddress.ip_address(address)
    except ValueError as exc:
        raise CommandError(f"--address: {exc}", EXIT_USAGE) from exc
    with _start_in_words():
        return serve(
            node=node, address=address, ports=ports, interval=interval,
            health_port=health_port, health_host=health_host,
        )  # fmt: skip
