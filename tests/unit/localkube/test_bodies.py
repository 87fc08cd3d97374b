"""Request bodies: JSON, YAML, duplicate keys, limits."""

import pytest

from sympozium.localkube import yamlbody
from sympozium.localkube.bodies import duplicate_keys, read_object, read_options
from sympozium.localkube.depth import MAX_DEPTH
from sympozium.localkube.errors import ApiError
from sympozium.localkube.wire import Request


def request(body, content_type="application/json"):
    return Request(
        method="POST", path="/", body=body, headers={"content-type": content_type} if content_type else {}
    )


def test_json_with_and_without_a_content_type():
    for kind in ("application/json", "application/json; charset=utf-8", ""):
        assert read_object(request(b'{"a":1}', kind), "X", "v1").obj == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b'"x"'])
def test_json_that_is_no_object(body):
    with pytest.raises(ApiError, match="must be of type X") as caught:
        read_object(request(body), "X", "v1")
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (b'{"a":1,"a":2}', ["a"]),
        (b'{"a":{"b":1,"b":2,"b":3}}', ["a.b"]),
        (b'{"l":[{"x":1},{"x":1,"x":2}]}', ["l[1].x"]),
        (b'{ "a" : 1 }', []),
        (b'{"a":"\\u003c"}', []),
    ],
)
def test_duplicate_keys_have_paths(raw, paths):
    import json

    assert duplicate_keys(raw, json.loads(raw)) == [f'duplicate field "{path}"' for path in paths]


def test_yaml_has_the_types_of_json():
    text = b"a: 1:30\nb: 2026-01-01\nc: yes\nd: 0x10\ne: 1e3\nf: ~\ng: '5'\nh: .5\ni: 1_000\n"
    obj, duplicates = yamlbody.load(text)
    assert obj == {
        "a": "1:30",
        "b": "2026-01-01",
        "c": True,
        "d": 16,
        "e": 1000.0,
        "f": None,
        "g": "5",
        "h": 0.5,
        "i": 1000,
    }
    assert duplicates == []


def test_yaml_duplicates_anchors_and_nonsense():
    obj, duplicates = yamlbody.load(b"a: &x {k: 1}\nb:\n  <<: *x\n  m: 2\nb: 3\n")
    assert (obj["b"], duplicates) == (3, [("b", 5)])
    with pytest.raises(yamlbody.YAMLBodyError, match="yaml: line 1: did not find expected"):
        yamlbody.load(b"a: [1")
    with pytest.raises(ApiError, match="cannot unmarshal array"):
        read_object(request(b"- 1\n", "application/yaml"), "X", "v1")


def test_yaml_round_trip_keeps_strings_strings():
    obj = {"a": "yes", "b": "2026-01-01", "c": "1", "d": "1:30", "e": "null", "f": ["x", 1, None, True]}
    assert yamlbody.load(yamlbody.dump(obj))[0] == obj


def test_limits_and_media_types():
    with pytest.raises(ApiError, match="limit is 3145728"):
        read_object(request(b" " * (3 * 1024 * 1024 + 1)), "X", "v1")
    with pytest.raises(ApiError, match="accepted media types include: application/json") as caught:
        read_object(request(b"x", "text/plain"), "X", "v1")
    assert caught.value.code == 415


def test_no_options_is_no_options():
    assert read_options(request(b"")) == {}
    assert read_options(request(b"{}")) == {}
    assert read_options(request(b'{"gracePeriodSeconds":0}')) == {"gracePeriodSeconds": 0}


@pytest.mark.parametrize("kind", ["application/json", "application/yaml"])
def test_what_is_nested_too_deep_is_refused_before_anything_walks_it(kind):
    def nested(depth):
        return b'{"x":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

    read_object(request(nested(MAX_DEPTH), kind), "X", "v1")
    for depth in (MAX_DEPTH + 2, 900):
        with pytest.raises(ApiError, match="exceeded max depth") as caught:
            read_object(request(nested(depth), kind), "X", "v1")
        assert caught.value.code == 400


def test_yaml_aliases_that_would_fill_the_memory_are_refused():
    layers = [b"a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    layers += [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)]
    with pytest.raises(yamlbody.YAMLBodyError, match="excessive aliasing"):
        yamlbody.load(b"\n".join(layers))
    with pytest.raises(yamlbody.YAMLBodyError):
        yamlbody.load(b"a: &a [*a]")
    deep = b"\n".join([b"b0: &b0 [x]", *[b"b%d: &b%d [*b%d]" % (n, n, n - 1) for n in range(1, 900)]])
    with pytest.raises(yamlbody.YAMLBodyError, match="exceeded max depth"):
        yamlbody.load(deep)


def test_yaml_gives_json_and_two_aliases_are_two_values():
    obj, _ = yamlbody.load(b"a: &x {k: 1}\nb: *x\nc: !!binary aGk=\nd: 36893488147419103232\n")
    assert obj == {"a": {"k": 1}, "b": {"k": 1}, "c": "hi", "d": 2.0**65}
    assert obj["a"] is not obj["b"]
    assert type(obj["d"]) is float
    for text in (b"a: !!float .inf", b"a: !!set {x}", b"a: " + b"9" * 400, b"a: " + b"9" * 5000):
        with pytest.raises(yamlbody.YAMLBodyError):
            yamlbody.load(text)


def test_protobuf_that_is_broken_inside_is_a_bad_request():
    def field(number, content):
        tag = number << 3 | 2
        key = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
        return key + bytes([len(content) & 127 | 128, len(content) >> 7]) + content

    def read(fields):
        kind = field(1, b"v1") + field(2, b"ConfigMap")
        meta = field(1, b"x") + field(17, field(1, b"m") + field(7, field(1, fields)))
        body = b"k8s\x00" + field(1, kind) + field(2, field(1, meta))
        return read_object(request(body, "application/vnd.kubernetes.protobuf"), "ConfigMap", "v1").obj

    (entry,) = read(b'{"f:data":{}}')["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:data": {}}
    for fields in (b"{", b"\xff", b"[" * 500 + b"]" * 500):
        with pytest.raises(ApiError, match=r"must be of type|exceeded max depth") as caught:
            read(fields)
        assert caught.value.code == 400


@pytest.mark.parametrize("item", [b"- 1\n", b"- {}\n", b"- a: b\n"])
def test_yaml_of_too_many_values_is_refused_before_anything_is_built_of_it(monkeypatch, item):
    monkeypatch.setattr(yamlbody, "MAX_NODES", 100)
    assert len(yamlbody.load(item * 25)[0]) == 25
    monkeypatch.setattr(yamlbody._Loader, "get_node", None)
    with pytest.raises(yamlbody.YAMLBodyError, match="more than 100 values: send it as JSON"):
        yamlbody.load(item * 101)


def test_yaml_of_a_long_text_has_few_values():
    text = b"data:\n  a: |\n" + b"    - x: [1, 2, 3]\n" * 40_000
    assert yamlbody.load(text)[0]["data"]["a"].count("\n") == 40_000


def test_of_several_yaml_documents_the_values_of_the_first_count(monkeypatch):
    monkeypatch.setattr(yamlbody, "MAX_NODES", 100)
    assert yamlbody.load(b"a: 1\n---\n" + b"- 1\n" * 101)[0] == {"a": 1}
