"""What a run shows to the egress component: who it is, and where its model is, signed by the controller.

`<claims>.<signature>` in URL-safe base64; claims are JSON, the signature is HMAC-SHA256 with a key that the controller
and the component hold. It is worth as much as the run: the component looks the run up at each connection.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

SECRET = "sympozium-egress-key"  # noqa: S105 - the name of a Secret of the system namespace
FIELD = "key"
KEY_BYTES = 32


class BadTokenError(Exception):
    """It was not signed by this installation's controller."""


@dataclass(frozen=True, slots=True)
class Claims:
    """`model` is host and port of the run's model endpoint, `trace` the run's span where spans of it are sent."""

    namespace: str
    run: str
    uid: str
    model: tuple[str, int]
    trace: str = ""


def sign(claims: Claims, key: bytes) -> str:
    said = [claims.namespace, claims.run, claims.uid, *claims.model, claims.trace]
    text = json.dumps(said, separators=(",", ":"))
    body = base64.urlsafe_b64encode(text.encode()).rstrip(b"=")
    return f"{body.decode()}.{_signature(body, key)}"


def verify(token: str, key: bytes) -> Claims:
    """Raises BadTokenError."""
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(body.encode(), key).encode()):
        raise BadTokenError("the signature is not this installation's")
    try:
        namespace, run, uid, host, port, trace = json.loads(
            base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        )
    except (ValueError, binascii.Error) as error:
        raise BadTokenError(f"signed, and not a token: {error}") from error
    return Claims(namespace, run, uid, (host, port), trace)


def _signature(body: bytes, key: bytes) -> str:
    digest = hmac.new(key, body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
