"""nats-server for one machine: its configuration, and the objects that tell the others about it.

Loopback only, JetStream on disk with a sync after each write (what is acknowledged survives a power cut),
JWT authentication with the full resolver, so that a revocation holds at once.
"""

from pathlib import Path

from sympozium.bus import jwt
from sympozium.bus.keyring import Keyring

MAX_PAYLOAD = 1024 * 1024


def configuration(keyring: Keyring, directory: Path, port: int) -> str:
    """The content of nats.conf; `directory` gets the streams and the accounts' JWTs."""
    system, account = jwt.public(keyring.system), jwt.public(keyring.account)
    operator = jwt.operator(keyring.operator, system_account=system)
    system_jwt = jwt.system_account(keyring.system, operator_seed=keyring.operator)
    account_jwt = jwt.account(keyring.account, operator_seed=keyring.operator)
    return f"""# Written by `sympozium up`; changes are lost.
server_name: sympozium
listen: "127.0.0.1:{port}"
max_payload: {MAX_PAYLOAD}
operator: {operator}
system_account: {system}
resolver: {{ type: full, dir: "{directory}/accounts", allow_delete: false, interval: "2m" }}
resolver_preload: {{
  {system}: {system_jwt}
  {account}: {account_jwt}
}}
jetstream: {{ store_dir: "{directory}/streams", sync_interval: always }}
"""
