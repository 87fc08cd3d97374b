"""ConfigMaps and Secrets: https://kubernetes.io/docs/concepts/configuration/"""

import base64
import re
from typing import Any

import orjson

from sympozium.localkube.defaults.strategy import Strategy
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

MAX_BYTES = 1024 * 1024
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',"
    "  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_FROZEN = "field is immutable when `immutable` is set"
_ACCOUNT = "kubernetes.io/service-account.name"
_REQUIRED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def default_secret(secret: Object) -> None:
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.setdefault("data", {})
        for key, text in texts.items():
            data[key] = base64.b64encode(text.encode()).decode()
    if not secret.get("type"):
        secret["type"] = "Opaque"


def _keys(data: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key in data or ():
        at = f"{path}[{key}]"
        if len(key) > 253:
            causes.append(gotext.invalid(at, key, "must be no more than 253 characters"))
        elif key in {".", ".."}:
            causes.append(gotext.invalid(at, key, f"must not be '{key}'"))
        elif not _KEY.fullmatch(key):
            causes.append(gotext.invalid(at, key, _KEY_TEXT))
    return causes


def _frozen(obj: Object, old: Object | None, fields: tuple[str, ...]) -> list[Cause]:
    """What may not change once `immutable` is set."""
    if old is None or not old.get("immutable"):
        return []
    causes = [] if obj.get("immutable") else [gotext.forbidden("immutable", _FROZEN)]
    return causes + [
        gotext.forbidden(key, _FROZEN) for key in fields if (obj.get(key) or {}) != (old.get(key) or {})
    ]


def check_secret(secret: Object, old: Object | None, _subresource: str) -> list[Cause]:
    data = secret.get("data") or {}
    causes = _keys(data, "data")
    if sum(len(value) * 3 // 4 for value in data.values()) > MAX_BYTES:
        causes.append(gotext.too_long("data", MAX_BYTES))
    kind = secret["type"]
    for key in _REQUIRED.get(kind, ()):
        if key not in data:
            causes.append(gotext.required(f"data[{key}]"))
        elif key.startswith(".docker") and not _is_json(data[key]):
            causes.append(gotext.invalid(f"data[{key}]", "<secret contents redacted>", "invalid character"))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        causes += [gotext.required("data[username]"), gotext.required("data[password]")]
    if kind == "kubernetes.io/service-account-token":
        annotations = secret["metadata"].get("annotations") or {}
        if not annotations.get(_ACCOUNT):
            causes.append(gotext.required(f"metadata.annotations[{_ACCOUNT}]"))
    if old is not None and kind != old["type"]:
        causes.append(gotext.invalid("type", kind, "field is immutable"))
    return causes + _frozen(secret, old, ("data",))


def _is_json(encoded: str) -> bool:
    try:
        orjson.loads(base64.b64decode(encoded))
    except ValueError:
        return False
    return True


def check_config_map(config: Object, old: Object | None, _subresource: str) -> list[Cause]:
    data, binary = config.get("data") or {}, config.get("binaryData") or {}
    causes = _keys(data, "data") + _keys(binary, "binaryData")
    for key in sorted(set(data) & set(binary)):
        causes.append(gotext.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    size = sum(len(value.encode()) for value in data.values())
    if size + sum(len(value) * 3 // 4 for value in binary.values()) > MAX_BYTES:
        causes.append(gotext.too_long("", MAX_BYTES))
    return causes + _frozen(config, old, ("data", "binaryData"))


SECRET = Strategy(default=default_secret, check=check_secret)
CONFIG_MAP = Strategy(check=check_config_map)
