"""Protobuf bodies: recorded ones from typed Go clients, and ones made here field by field."""

from base64 import b64decode

import pytest

from sympozium.localkube import protobuf
from sympozium.localkube.protobuf import MAGIC, ProtobufError, decode

RECORDED_CONFIG_MAP = b64decode(
    "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhwKEgoCYzISABoAIgAqADIAOABCABIGCgFhEgFiGgAiAA=="
)


def varint(value):
    out = b""
    value &= (1 << 64) - 1
    while True:
        byte, value = value & 0x7F, value >> 7
        out += bytes([byte | (0x80 if value else 0)])
        if not value:
            return out


def field(number, value):
    """One wire field: an int as varint, text, bytes or nested fields as length-delimited."""
    if isinstance(value, bool | int):
        return varint(number << 3) + varint(int(value))
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def envelope(api_version, kind, raw):
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def test_a_recorded_config_map():
    assert decode(RECORDED_CONFIG_MAP) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "c2"},
        "data": {"a": "b"},
    }


def test_zero_behind_a_pointer_is_kept_and_a_plain_zero_is_not():
    obj = decode(envelope("batch/v1", "Job", field(2, field(1, 0) + field(7, 0))))
    assert obj["spec"] == {"parallelism": 0, "backoffLimit": 0}
    account = decode(envelope("v1", "ServiceAccount", field(1, field(1, "x") + field(7, 0)) + field(4, 0)))
    assert account == {
        "kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "x"}, "automountServiceAccountToken": False,
    }  # fmt: skip


def test_secret_data_is_base64_and_string_data_is_not():
    raw = field(1, field(1, "s")) + field(2, field(1, "k") + field(2, b"\x00\xff")) + field(3, "Opaque")
    raw += field(4, field(1, "t") + field(2, "plain"))
    obj = decode(envelope("v1", "Secret", raw))
    assert obj["data"] == {"k": "AP8="}
    assert obj["stringData"] == {"t": "plain"}
    assert obj["type"] == "Opaque"


def test_an_empty_map_value_and_key():
    obj = decode(envelope("v1", "ConfigMap", field(2, field(1, "k")) + field(2, field(2, "v"))))
    assert obj["data"] == {"k": "", "": "v"}


def test_times():
    spec = field(1, "h") + field(2, 15) + field(4, field(1, 1767225600) + field(2, 123456789))
    lease = decode(envelope("coordination.k8s.io/v1", "Lease", field(2, spec)))
    assert lease["spec"] == {
        "holderIdentity": "h", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z",
    }  # fmt: skip
    event = decode(envelope("v1", "Event", field(6, field(1, 1767225600)) + field(7, b"") + field(8, 3)))
    assert event == {
        "kind": "Event",
        "apiVersion": "v1",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "count": 3,
    }


def test_quantities_int_or_string_and_inline_messages():
    limits = field(1, field(1, "cpu") + field(2, field(1, "500m")))
    probe = field(1, field(2, field(1, "/h") + field(2, field(1, 0) + field(2, 8080)))) + field(2, 5)
    named = field(1, field(2, field(2, field(1, 1) + field(3, "http"))))
    container = field(1, "c") + field(2, "i") + field(8, limits) + field(10, probe) + field(11, named)
    volume = field(1, "v") + field(2, field(2, b""))
    pod = decode(envelope("v1", "Pod", field(2, field(1, volume) + field(2, container))))
    assert pod["spec"] == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "image": "i",
                "resources": {"limits": {"cpu": "500m"}},
                "livenessProbe": {"httpGet": {"path": "/h", "port": 8080}, "initialDelaySeconds": 5},
                "readinessProbe": {"httpGet": {"port": "http"}},
            }
        ],
    }


def test_options_and_reviews():
    options = decode(envelope("meta.k8s.io/v1", "DeleteOptions", field(1, 0) + field(4, "Background")))
    assert options["gracePeriodSeconds"] == 0
    assert options["propagationPolicy"] == "Background"
    attributes = field(1, "n") + field(2, "list") + field(5, "pods")
    review = decode(
        envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", field(2, field(1, attributes)))
    )
    assert review["spec"] == {"resourceAttributes": {"namespace": "n", "verb": "list", "resource": "pods"}}
    extra = field(1, "k") + field(2, field(1, "a") + field(1, "b"))
    subject = decode(
        envelope("authorization.k8s.io/v1", "SubjectAccessReview", field(2, field(3, "u") + field(5, extra)))
    )
    assert subject["spec"] == {"user": "u", "extra": {"k": ["a", "b"]}}


def test_negative_numbers():
    pod = decode(envelope("v1", "Pod", field(2, field(4, -1) + field(25, -10))))
    assert pod["spec"] == {"terminationGracePeriodSeconds": -1, "priority": -10}


def test_the_type_of_the_endpoint_stands_in_for_a_missing_one():
    assert decode(MAGIC + field(2, b""), default_type=("v1", "ConfigMap"))["kind"] == "ConfigMap"


def test_new_fields_that_are_empty_are_passed_over_and_others_refused():
    assert decode(envelope("v1", "ConfigMap", field(99, 0) + field(98, b"")))["kind"] == "ConfigMap"
    with pytest.raises(ProtobufError, match="no field 99"):
        decode(envelope("v1", "ConfigMap", field(99, 5)))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "prefix"),
        (RECORDED_CONFIG_MAP[:-3], "beyond the message|cut short"),
        (MAGIC + b"\x0b", "wire type 3"),
        (envelope("v1", "Nope", b""), "no protobuf decoder"),
        (envelope("v1", "ConfigMap", field(1, 7)), "number stands where"),
    ],
)
def test_broken_bodies(body, text):
    with pytest.raises(ProtobufError, match=text):
        decode(body)


def test_every_message_that_is_named_is_there():
    messages = protobuf._messages()
    for name in messages:
        for item in protobuf._fields(name).values():
            assert item.code in protobuf._SPECIAL or item.code in messages, f"{name}: {item}"
