"""Configurations of nats-server: for one machine, and for one or several pods of a cluster.

JetStream on disk with a sync after each write (what is acknowledged survives a power cut), JWT authentication with the
full resolver, so that a revocation holds at once. On one machine it listens on loopback alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sympozium.bus import jwt, nkey
from sympozium.bus.keyring import Keyring
from sympozium.privatefile import write_private

MAX_PAYLOAD = 1024 * 1024
SERVICE: Final = "sympozium-nats"
CLIENTS, ROUTES, MONITOR = 4222, 6222, 8222
"""Ports of the pods."""
_SYNC: Final = "1s"
"""How often a server asks another one, with a hash, whether it has missed a change of the account: one that was away
knows nothing of it until then."""
_STREAMS_SHARE: Final = 0.9
"""Of a volume. JetStream refuses what does not fit, in words; a full disk breaks it."""


def prepare(keyring: Keyring, directory: Path, port: int) -> Path:
    """Write nats.conf and, once, the JWT of the runs' account; returns the path of nats.conf.

    The account's JWT is not in the configuration: at each start the server would put that version in the
    place of the newer one that holds the revocations, and cut-off users could come back.
    """
    accounts = directory / "accounts"
    accounts.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = accounts / f"{nkey.public(keyring.account)}.jwt"
    if not stored.exists():
        write_private(stored, jwt.account(keyring.account, operator_seed=keyring.operator))
    config = directory / "nats.conf"
    write_private(config, _configuration(keyring, directory, port))
    return config


@dataclass(frozen=True, slots=True)
class Member:
    """Where one server of several listens and keeps its files; `name` may be a variable (`$SERVER_NAME`)."""

    name: str = "$SERVER_NAME"
    host: str = "0.0.0.0"  # noqa: S104 - in a pod
    clients: int = CLIENTS
    routes: int = ROUTES
    monitor: int = MONITOR
    directory: str = "/data"


def configurations(keyring: Keyring, namespace: str, replicas: int, storage: int) -> dict[str, str]:
    """The files of the Secret `sympozium-nats-config`: `nats.conf` for so many pods, and `nats-N.conf` for one and three.

    A StatefulSet that names the file by its replicas never starts with that of another number. `storage` is the
    size of a pod's volume in bytes. The texts are functions of the arguments: nothing is rewritten where nothing changed.
    """
    found = {}
    for count in sorted({1, 3, replicas}):
        peers = [
            f"{SERVICE}-{n}.{SERVICE}-headless.{namespace}.svc:{ROUTES}"
            for n in range(count if count > 1 else 0)
        ]
        found[f"nats-{count}.conf"] = clustered(keyring, Member(), peers, storage)
    return {"nats.conf": found[f"nats-{replicas}.conf"], **found}


def clustered(keyring: Keyring, member: Member, peers: Sequence[str], storage: int) -> str:
    """One server's configuration. `peers` are host:port of all servers' routes; none for a server that is alone.

    Streams of a server that is alone are in a directory of their own: a cluster that found them would take them for
    remains of streams that it does not know, and delete them.
    """
    text = f"""# Written by the controller of Sympozium; changes are lost.
server_name: {member.name}
listen: "{member.host}:{member.clients}"
http: "{member.host}:{member.monitor}"
max_payload: {MAX_PAYLOAD}
lame_duck_duration: "30s"
lame_duck_grace_period: "5s"
{_authentication(keyring, f"{member.directory}/accounts", interval=_SYNC, issued_at=1)}
jetstream: {{
  store_dir: "{member.directory}/{"cluster" if peers else "streams"}"
  sync_interval: always
  max_file_store: {int(storage * _STREAMS_SHARE)}
}}
"""
    if peers:
        password = keyring.route_password
        urls = "\n".join(f'    "nats-route://route:{password}@{peer}"' for peer in peers)
        text += f"""cluster: {{
  name: sympozium
  listen: "{member.host}:{member.routes}"
  authorization: {{ user: route, password: "{password}", timeout: 5 }}
  connect_retries: 600
  routes: [
{urls}
  ]
}}
"""
    return text


def _configuration(keyring: Keyring, directory: Path, port: int) -> str:
    return f"""# Written by `sympozium up`; changes are lost.
server_name: sympozium
listen: "127.0.0.1:{port}"
max_payload: {MAX_PAYLOAD}
{_authentication(keyring, f"{directory}/accounts", interval="2m")}
jetstream: {{ store_dir: "{directory}/streams", sync_interval: always }}
"""


def _authentication(keyring: Keyring, accounts: str, *, interval: str, issued_at: int | None = None) -> str:
    system = nkey.public(keyring.system)
    operator = jwt.operator(keyring.operator, system_account=system, issued_at=issued_at)
    system_jwt = jwt.system_account(keyring.system, operator_seed=keyring.operator, issued_at=issued_at)
    return f"""operator: {operator}
system_account: {system}
resolver: {{ type: full, dir: "{accounts}", allow_delete: false, interval: "{interval}" }}
resolver_preload: {{
  {system}: {system_jwt}
}}"""
