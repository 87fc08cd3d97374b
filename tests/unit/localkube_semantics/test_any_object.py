"""Whatever a decoder takes goes through defaults and checks without an exception.

Objects are drawn from the packaged schemas, so a field that a strategy reads without looking shows up here.
"""

import contextlib
import random

import orjson
import pytest

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.errors import ApiError
from sympozium.localkube.patch.managed import Manager, apply, update
from sympozium.localkube.patch.typed import UntypedError
from sympozium.localkube.schema.node import (
    ARRAY,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
)
from unit.localkube_semantics.schemas import kind

SERVED = sorted(
    {(r.group, r.version, r.kind) for r in BUILTIN if "patch" in r.verbs and r.storage_group is None}
)
TEXTS = ["", "a", "TCP", "Always", "Never", "None", "RollingUpdate", "x.y.z", "https://h/p", "%", "v1"]
FORMATS = {"byte": "eA==", "date-time": "2026-01-01T00:00:00Z", "micro-time": "2026-01-01T00:00:00.000000Z"}
WRITER = Manager(name="m", api_version="v1", time="t", reset=("status",))


def drawn(node, rnd, depth=0):
    if rnd.random() < 0.04:
        return None
    if node.type == OBJECT:
        keys = list(node.properties)
        chosen = [key for key in keys if rnd.random() < (0.75 if depth < 4 else 0.2)] if depth < 8 else []
        made = {key: drawn(node.properties[key], rnd, depth + 1) for key in chosen}
        if node.additional is not None:
            made |= {
                rnd.choice("abc"): drawn(node.additional, rnd, depth + 1) for _ in range(rnd.randrange(3))
            }
        return made
    if node.type == ARRAY:
        return [drawn(node.items, rnd, depth + 1) for _ in range(rnd.randrange(3))]
    simple = {
        STRING: lambda: FORMATS.get(node.format) or rnd.choice(TEXTS),
        INTEGER: lambda: rnd.choice([-1, 0, 1, 80, 70000]),
        NUMBER: lambda: rnd.choice([0, 1.5]),
        BOOLEAN: lambda: rnd.random() < 0.5,
        QUANTITY: lambda: rnd.choice(["0.5", 1, "-1", "1Gi", "1e3"]),
        INT_OR_STRING: lambda: rnd.choice([1, "10%", "http"]),
    }
    return simple.get(node.type, lambda: {"type": "object"})()


def through(info, obj, old):
    """The steps of a write."""
    assert info.type_errors(obj) == []
    info.unknown_fields(obj)
    obj = info.default(info.prune(obj))
    update(old, obj, info.node, WRITER)
    obj = info.prepare_create(obj) if old is None else info.prepare_update(obj, old, "")
    info.validate(obj, old)
    return obj


def meta(obj):
    obj["metadata"] = {"name": "x", "namespace": "n", "uid": "u", "labels": {"a": "b"}}
    return obj


@pytest.mark.parametrize("gvk", SERVED, ids=lambda gvk: gvk[2])
def test_no_object_makes_the_server_fall(gvk):
    info = kind(*gvk)
    for seed in range(12):
        rnd = random.Random(seed)
        old = through(info, meta(drawn(info.node, rnd) or {}), None)
        again = info.default(info.prune(orjson.loads(orjson.dumps(old))))
        assert again == old, "what is stored does not change when it is read and written again"
        assert info.prepare_update(again, old, "") == old
        new = meta(drawn(info.node, rnd) or {})
        through(info, new, old)
        sent = meta(info.prune(drawn(info.node, rnd) or {}))
        with contextlib.suppress(ApiError, UntypedError):  # an item without its key is refused, no more
            merged = apply(old, sent, info.node, WRITER, force=True)
            info.strategic_merge(merged, new)
