"""Bytes that no client of good will sends: no 500, no hang, no crash, and bounded memory.

The first part is known tricks at the socket, each with the answer it must get. The second is random requests made
of pieces that mean something (paths, queries, bodies, patches of the served kinds), seeded, SYMPOZIUM_FUZZ of them.
"""

import contextlib
import gzip
import json
import os
import random
import socket
import ssl
import struct
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("SYMPOZIUM_FUZZ", "400"))
MEMORY_GROWTH = 150
"""MB that the server may have grown by after all of this: its allocator keeps some of what one body needed."""
POST = "/api/v1/namespaces/default/configmaps"


def resident(pid):
    """MB of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Raw:
    """One TLS connection."""

    def __init__(self, server):
        context = ssl.create_default_context(cafile=str(server.authority))
        host, _, port = server.url.removeprefix("https://").partition(":")
        plain = socket.create_connection((host, int(port)), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname=host)

    def send(self, data):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def answers(self, count=1):
        """The statuses of answers until `count` of them, or the end of the connection (None)."""
        found, data = [], b""
        while len(found) < count:
            head, mark, rest = data.partition(b"\r\n\r\n")
            if mark:
                found.append(int(head[9:12]))
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                while len(rest) < length and (more := self.receive()):
                    rest += more
                data = rest[length:]
                continue
            more = self.receive()
            if not more:
                return [*found, None]
            data += more
        return found

    def receive(self):
        try:
            return self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self):
        self.socket.close()


@pytest.fixture
def raw(server):
    made = Raw(server)
    yield made
    made.close()
    alive(server)


def alive(server):
    api = server.api(None)
    assert api.get("/livez").status == 200
    api.close()


def request(method=b"GET", path=b"/livez", headers=(), body=b""):
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", b"Authorization: Bearer admin-token", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


JSON_BODY = (b"Content-Type: application/json",)
YAML_BODY = (b"Content-Type: application/yaml",)
PROTOBUF_BODY = (b"Content-Type: application/vnd.kubernetes.protobuf",)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
        b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, identity\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(17),
)
def test_what_is_no_http_is_refused(raw, data):
    raw.send(data)
    assert raw.answers()[0] in {400, 401, 403, 404, 405, 501, None}


def test_a_head_without_end_is_refused(raw):
    """And not kept: 40 MB of headers are sent."""
    raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
    for number in range(640):
        raw.send(b"X-%d: " % number + b"a" * 65536 + b"\r\n")
    assert raw.answers() in ([431], [None])


def test_pipelined_requests_are_answered_in_their_order(raw):
    raw.send(request() + request(path=b"/nothing") + request(path=b"/version") + request(b"PUT", b"/version"))
    assert raw.answers(4) == [200, 404, 200, 405]


def test_a_body_over_the_limit_is_refused_and_not_read_on(raw):
    raw.send(request(b"POST", POST.encode(), (*JSON_BODY, b"Content-Length: 4000000000")))
    for _ in range(80):
        raw.send(b"x" * 65536)
    assert raw.answers(2) in ([413, None], [None])


def test_an_endless_chunked_body_is_refused(raw):
    raw.send(request(b"POST", POST.encode(), (*JSON_BODY, b"Transfer-Encoding: chunked")))
    for _ in range(80):
        raw.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert raw.answers(2) in ([413, None], [None])


def test_half_a_request_holds_up_nobody(server, raw):
    raw.send(request(b"POST", POST.encode(), (*JSON_BODY, b"Content-Length: 1000"))[:-1])
    others = [Raw(server) for _ in range(50)]
    for other in others:
        other.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    alive(server)
    for other in others:
        other.close()


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing(server, admin):
    made = Raw(server)
    body = b'{"metadata":{"name":"half"}}'
    made.send(request(b"POST", POST.encode(), JSON_BODY, body)[:-5])
    made.close()
    alive(server)
    assert admin.get(f"{POST}/half").status == 404


@pytest.mark.parametrize("upgrade", [b"websocket", b"SPDY/3.1", b"h2c", b"\xff\x00"])
def test_an_upgrade_where_there_is_none(raw, upgrade):
    raw.send(request(headers=(b"Connection: Upgrade", b"Upgrade: " + upgrade, b"Sec-WebSocket-Key: x")))
    assert raw.answers()[0] in {200, 400, None}


def length_prefixed(field, data):
    out, size = bytes([field << 3 | 2]), len(data)
    while size > 127:
        out += bytes([size & 127 | 128])
        size >>= 7
    return out + bytes([size]) + data


def protobuf(raw_object):
    meta = length_prefixed(1, b"v1") + length_prefixed(2, b"ConfigMap")
    return b"k8s\0" + length_prefixed(1, meta) + length_prefixed(2, raw_object)


def nested_protobuf():
    inner = b""
    while len(inner) < 200_000:
        inner = length_prefixed(1, inner)
    return inner


ANCHORS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
BOMBS = {
    "deep json": (JSON_BODY, b'{"data":' * 100_000 + b"1" + b"}" * 100_000),
    "deep array": (JSON_BODY, b"[" * 1_000_000),
    "deep yaml": (YAML_BODY, b"[" * 50_000),
    "deep yaml mapping": (YAML_BODY, b"".join(b" " * n + b"a:\n" for n in range(1_500))),
    "yaml aliases": (YAML_BODY, ANCHORS.encode()),
    "yaml itself": (YAML_BODY, b"a: &a\n  b: *a\n"),
    "yaml tag": (YAML_BODY, b"!!python/object/apply:os.system ['true']\n"),
    "yaml many documents": (YAML_BODY, b"---\na: 1\n" * 10_000),
    "many keys": (JSON_BODY, b'{"metadata":{"name":"x","labels":{' + b",".join(b'"k%d":"v"' % n for n in range(100_000)) + b"}}}"),
    "same keys": (JSON_BODY, b'{"metadata":{"name":"x"},"data":{' + b",".join([b'"k":"v"'] * 200_000) + b"}}"),
    "big number": (JSON_BODY, b'{"metadata":{"name":"x","generation":' + b"9" * 1_000_000 + b"}}"),
    "half surrogate": (JSON_BODY, b'{"metadata":{"name":"\\ud800"}}'),
    "not utf-8": (JSON_BODY, b'{"metadata":{"name":"\xff\xfe"}}'),
    "nan": (JSON_BODY, b'{"metadata":{"name":"x","generation":NaN}}'),
    "gzip": ((*JSON_BODY, b"Content-Encoding: gzip"), gzip.compress(b" " * 50_000_000)),
    "protobuf garbage": (PROTOBUF_BODY, b"k8s\0" + b"\xff" * 1000),
    "protobuf lengths": (PROTOBUF_BODY, b"k8s\0\x0a" + b"\xff" * 9 + b"\x01"),
    "protobuf deep": (PROTOBUF_BODY, protobuf(nested_protobuf())),
    "protobuf fields": (PROTOBUF_BODY, protobuf(length_prefixed(2, length_prefixed(1, b"k")) * 300_000)),
    "protobuf no magic": (PROTOBUF_BODY, b"abcd" * 10),
    "cbor": ((b"Content-Type: application/cbor",), b"\xd9\xd9\xf7\xa1"),
    "nothing": (JSON_BODY, b" "),
    "null": (JSON_BODY, b"null"),
    "byte order mark": (JSON_BODY, b'\xef\xbb\xbf{"metadata":{"name":"x"}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bodies_that_were_made_to_harm_do_not(server, raw, name):
    assert server.pid is not None
    before = resident(server.pid)
    headers, body = BOMBS[name]
    raw.send(request(b"POST", POST.encode() + b"?dryRun=All", headers, body))
    status = raw.answers()[0]
    # Large is not wrong: a real server takes these two as well.
    assert status in ({201} if name in {"many keys", "same keys"} else {400, 413, 415, 422}), status
    assert resident(server.pid) - before < MEMORY_GROWTH


def test_patches_that_were_made_to_harm_are_refused(admin):
    made = {"metadata": {"name": "target"}, "data": {"a": "b" * 1000}}
    assert admin.post(POST, made).status == 201
    copies = [{"op": "copy", "from": "/data", "path": f"/data/c{n}"} for n in range(2)]
    double = [{"op": "copy", "from": "/data", "path": "/data/x"}] * 40
    for patch in (
        copies,
        double,
        [{"op": "test", "path": "/" * 100_000, "value": 1}],
        [{}],
        [1],
        {"op": 1},
        [],
    ):
        answer = admin.patch(f"{POST}/target", patch, ct="application/json-patch+json")
        assert answer.status in {200, 400, 413, 422}, (patch, answer.raw[:300])
    assert admin.delete(f"{POST}/target").status == 200


WORDS = (
    "api", "apis", "v1", "apps", "batch", "namespaces", "default", "configmaps", "pods", "deployments", "nodes", "events",
    "status", "scale", "log", "exec", "proxy", "token", "eviction", "binding", "finalize", "watch", "openapi", "v2", "v3", "..",
    ".", "", "%2e%2e", "%00", "%ff", "a" * 300, "customresourcedefinitions", "apiextensions.k8s.io", "healthz", "version", "x",
)  # fmt: skip
QUERIES = (
    "watch", "resourceVersion", "resourceVersionMatch", "limit", "continue", "labelSelector", "fieldSelector", "timeoutSeconds",
    "fieldManager", "force", "dryRun", "fieldValidation", "pretty", "propagationPolicy", "sendInitialEvents",
    "allowWatchBookmarks", "includeObject", "gracePeriodSeconds", "tailLines", "command", "container", "follow",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "true", "false", "All", "Exact", "NotOlderThan", "99999999999999999999", "a=b", "a in (b,c)", "a in (",
    "!a", "metadata.name=x", "metadata.name!=", "spec.nodeName=a,status.phase=b", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "%ff%fe",
    "%00", "\u00e9", "Strict", "Orphan", "a" * 5000, "1.5", "1e400", "NaN", "[]", "{}",
)  # fmt: skip
ACCEPTS = (
    "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*", "", "text/html",
    "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", ";;;,,",
)  # fmt: skip
TYPES = (
    "application/json", "application/yaml", "application/merge-patch+json", "application/json-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "", "x",
)  # fmt: skip
KEYS = (
    "metadata", "spec", "status", "name", "labels", "annotations", "data", "binaryData", "finalizers", "ownerReferences",
    "managedFields", "containers", "template", "selector", "matchLabels", "replicas", "kind", "apiVersion", "$patch",
    "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "generateName", "resources", "limits", "versions",
    "schema", "openAPIV3Schema", "names", "group", "scope", "x-kubernetes-validations", "rule", "op", "path", "value", "from",
)  # fmt: skip
KINDS = (
    ("api/v1/namespaces/default/configmaps", "v1", "ConfigMap"), ("api/v1/namespaces/default/pods", "v1", "Pod"),
    ("api/v1/namespaces/default/services", "v1", "Service"), ("api/v1/namespaces/default/events", "v1", "Event"),
    ("apis/apps/v1/namespaces/default/deployments", "apps/v1", "Deployment"), ("apis/batch/v1/namespaces/default/jobs", "batch/v1", "Job"),
    ("apis/batch/v1/namespaces/default/cronjobs", "batch/v1", "CronJob"), ("api/v1/nodes", "v1", "Node"),
    ("apis/rbac.authorization.k8s.io/v1/clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("apis/apiextensions.k8s.io/v1/customresourcedefinitions", "apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apis/authorization.k8s.io/v1/subjectaccessreviews", "authorization.k8s.io/v1", "SubjectAccessReview"),
    ("apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
)  # fmt: skip


def value(chance, depth=0):
    """Any JSON, mostly of keys that mean something."""
    pick = chance.randrange(12 if depth < 5 else 7)
    if pick < 7:
        return chance.choice(
            [None, True, 0, -1, 2**63, 1.5, "", "x", "a/b", "1Gi", "2020-01-01T00:00:00Z", "\u0000", "\u00e9"]
        )
    if pick < 9:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(KEYS): value(chance, depth + 1) for _ in range(chance.randrange(5))}


def scrambled(chance, obj):
    """One place of an object replaced by something else."""
    if isinstance(obj, dict) and obj and chance.randrange(4):
        key = chance.choice(list(obj))
        return {**obj, key: scrambled(chance, obj[key])}
    if isinstance(obj, list) and obj and chance.randrange(3):
        index = chance.randrange(len(obj))
        return [*obj[:index], scrambled(chance, obj[index]), *obj[index + 1 :]]
    return value(chance, 2)


CONTAINER = {
    "name": "c",
    "image": "i",
    "env": [{"name": "A", "value": "b"}],
    "ports": [{"containerPort": 80}],
}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "x-kubernetes-validations": [{"rule": "true"}]}},
}
SPECS = {
    "Pod": TEMPLATE["spec"],
    "Service": {"ports": [{"port": 80, "targetPort": "web"}], "selector": {"a": "b"}},
    "Deployment": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {**TEMPLATE, "spec": {"containers": [CONTAINER]}},
    },
    "Job": {"template": TEMPLATE, "completions": 1},
    "CronJob": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}},
    "CustomResourceDefinition": {
        "group": "fuzz.io",
        "names": {"plural": "xs", "kind": "X"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
    "SubjectAccessReview": {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods"}},
    "ValidatingAdmissionPolicy": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
            ]
        },
        "validations": [{"expression": "has(object.metadata)"}],
    },
}


PATCHES = {
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
}


def random_request(chance):
    """Method, path, query, content type, accept, body; mostly what goes together."""
    method = chance.choice(
        ("GET", "POST", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "HEAD")
    )
    path, version, kind = chance.choice(KINDS)
    name = chance.choice(("fz-0", "fz-1", "fz-2"))
    if kind == "CustomResourceDefinition":
        name = "xs.fuzz.io"
    if chance.randrange(10) == 0:
        path = "/".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 8)))
    if method in {"PUT", "PATCH"} or (method != "POST" and chance.randrange(3)):
        path += "/" + name + chance.choice(("", "", "", "/status", "/scale"))
    pairs = [
        f"{chance.choice(QUERIES)}={chance.choice(VALUES)}" for _ in range(chance.choice((0, 0, 0, 0, 1, 2)))
    ]
    if "watch=true" in pairs or "watch=1" in pairs or "follow=true" in pairs:
        pairs.append("timeoutSeconds=1")
    sent = chance.choice(sorted(PATCHES)) if method == "PATCH" else "application/json"
    if sent == "application/apply-patch+yaml":
        pairs.append("fieldManager=fuzz&force=true")
    if chance.randrange(10) == 0:
        sent = chance.choice(TYPES)
    accept = "application/json" if chance.randrange(6) else chance.choice(ACCEPTS)
    return method, path, "&".join(pairs), sent, accept, random_body(chance, sent, version, kind, name)


def random_body(chance, sent, version, kind, name):
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"a": "b"}}}
    if kind in SPECS:
        obj["spec"] = SPECS[kind]
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3))):
        obj = scrambled(chance, obj)
    body = json.dumps(obj).encode()
    if sent == "application/json-patch+json":
        body = json.dumps([operation(chance) for _ in range(3)]).encode()
    if chance.randrange(20) == 0:
        cut = chance.randrange(len(body))
        body = body[:cut] + bytes(chance.randrange(256) for _ in range(5)) + body[cut:]
    return body


def operation(chance):
    paths = (
        "/metadata/labels/a",
        "/spec",
        "/metadata",
        "/-",
        "",
        "/spec/template/spec/containers/0/image",
        "x",
        "/kind",
    )
    op = chance.choice(("add", "add", "remove", "replace", "test", "copy", "move", "x"))
    return {"op": op, "path": chance.choice(paths), "from": chance.choice(paths), "value": value(chance)}


def encoded(text):
    """As it is, but no control characters or spaces, which would end the request line."""
    return "".join(c if 32 < ord(c) < 127 else "".join(f"%{b:02x}" for b in c.encode()) for c in text)


def test_random_requests_get_answers(server):
    """Each is below 500, but for what says that it is not here (501) or not reachable (502, 503, 504)."""
    seed = int(os.environ.get("SYMPOZIUM_FUZZ_SEED", "1"))
    for number in range(ROUNDS):
        chance = random.Random(f"{seed} {number}")
        method, path, query, kind, accept, body = random_request(chance)
        head = [f"Content-Type: {kind}".encode(), f"Accept: {accept}".encode(), b"Connection: close"]
        target = encoded(f"/{path}" + (f"?{query}" if query else ""))
        made = Raw(server)
        made.send(
            request(method.encode(), target.encode(), head, body if method not in {"GET", "HEAD"} else b"")
        )
        status = made.answers()[0]
        made.close()
        assert status is not None, (number, method, target)
        assert status < 500 or status in {501, 502, 503, 504}, (number, status, method, target, kind, body)
    alive(server)


def test_random_protobuf_gets_answers(raw):
    chance = random.Random(2)
    for _ in range(ROUNDS // 4):
        data = protobuf(
            length_prefixed(1, length_prefixed(1, b"pb")) + length_prefixed(2, length_prefixed(1, b"k"))
        )
        cut = bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            cut[chance.randrange(4, len(cut))] = chance.randrange(256)
        cut += struct.pack("<Q", chance.randrange(2**63))[: chance.randrange(9)]
        raw.send(request(b"POST", POST.encode() + b"?dryRun=All", PROTOBUF_BODY, bytes(cut)))
        status = raw.answers()[0]
        assert status is not None
        assert status < 500, bytes(cut)
