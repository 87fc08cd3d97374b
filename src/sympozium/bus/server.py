"""nats-server for one machine: its configuration, and the objects that tell the others about it.

Loopback only, JetStream on disk with a sync after each write (what is acknowledged survives a power cut),
JWT authentication with the full resolver, so that a revocation holds at once.
"""

from pathlib import Path

from sympozium.bus import jwt
from sympozium.bus.keyring import Keyring
from sympozium.privatefile import write_private

MAX_PAYLOAD = 1024 * 1024


def prepare(keyring: Keyring, directory: Path, port: int) -> Path:
    """Write nats.conf and, once, the JWT of the runs' account; returns the path of nats.conf.

    The account's JWT is not in the configuration: at each start the server would put that version in the
    place of the newer one that holds the revocations, and cut-off users could come back.
    """
    accounts = directory / "accounts"
    accounts.mkdir(parents=True, exist_ok=True, mode=0o700)
    stored = accounts / f"{jwt.public(keyring.account)}.jwt"
    if not stored.exists():
        write_private(stored, jwt.account(keyring.account, operator_seed=keyring.operator))
    config = directory / "nats.conf"
    write_private(config, _configuration(keyring, directory, port))
    return config


def _configuration(keyring: Keyring, directory: Path, port: int) -> str:
    system = jwt.public(keyring.system)
    operator = jwt.operator(keyring.operator, system_account=system)
    system_jwt = jwt.system_account(keyring.system, operator_seed=keyring.operator)
    return f"""# Written by `sympozium up`; changes are lost.
server_name: sympozium
listen: "127.0.0.1:{port}"
max_payload: {MAX_PAYLOAD}
operator: {operator}
system_account: {system}
resolver: {{ type: full, dir: "{directory}/accounts", allow_delete: false, interval: "2m" }}
resolver_preload: {{
  {system}: {system_jwt}
}}
jetstream: {{ store_dir: "{directory}/streams", sync_interval: always }}
"""
