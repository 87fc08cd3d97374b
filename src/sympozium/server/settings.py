"""What the command line and the environment say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sympozium.kube.errors import ConfigError
from sympozium.server.signin.provider import OidcSettings

MAX_BODY: Final = 1024 * 1024
MAX_CONNECTIONS: Final = 4096
REQUESTS_PER_SECOND: Final = 50
MAX_STREAMS: Final = 2000
MAX_STREAMS_PER_CALLER: Final = 100
STREAM_STALL: Final = 20.0
STREAM_RECHECK: Final = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`state_dir` None keeps the ledger of usage in memory."""

    host: str = "127.0.0.1"
    port: int = 8080
    state_dir: Path | None = None
    public_url: str | None = None
    """How browsers reach this server, `https://sympozium.example.org`, where that is not its own address."""
    installation: str | None = None
    cors_origins: Sequence[str] = ()
    """Pages of these origins may ask with a bearer token."""
    trusted_proxies: Sequence[str] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    oidc: OidcSettings | None = None
    max_body: int = MAX_BODY
    max_connections: int = MAX_CONNECTIONS
    requests_per_second: int = REQUESTS_PER_SECOND
    """Of one credential; four times as many at once."""
    max_streams: int = MAX_STREAMS
    max_streams_per_caller: int = MAX_STREAMS_PER_CALLER
    stream_stall: float = STREAM_STALL
    """Seconds in which a client must take what a stream sends."""
    stream_recheck: float = STREAM_RECHECK
    """Seconds after which a stream asks again whether it may go on."""
    node_probe: bool = False
    """Whether node probes are in the namespace of the installation, and may be listed by this server."""

    def check(self) -> None:
        """Raises ConfigError that names the flag."""
        if self.public_url is not None:
            _origin(self.public_url, "--public-url")
        for origin in self.cors_origins:
            _origin(origin, "--cors-origin")
        if self.oidc:
            self.oidc.check()
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigError("--tls-cert and --tls-key belong together")


def _origin(url: str, flag: str) -> None:
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or url != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ConfigError(
            f"{flag} {url!r}: expected an origin without a path, such as https://agents.example.org"
        )
