import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.resources import Registry, custom_resources
from sympozium.localkube.schema.openapi import OpenAPI
from unit.localkube_semantics.schemas import STRING, crd, spec_schema, version

ROOT = Path(__file__).resolve().parents[3]


class Schemas:
    def __init__(self):
        self.held = {}

    def custom_schema(self, group, version, kind):
        return self.held.get((group, version, kind))


@pytest.fixture
def served():
    registry, schemas = Registry(BUILTIN), Schemas()
    return OpenAPI(registry, schemas), registry, schemas


def serve(registry, schemas, schema):
    made = crd(version(schema, served=True))
    made["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    schemas.held["example.dev", "v1", "Test"] = schema
    registry.set_custom("tests.example.dev", custom_resources(made))


def document(openapi, path):
    body, _ = openapi.document(path)
    return orjson.loads(body)


def digests(openapi):
    paths = orjson.loads(openapi.index())["paths"]
    return {path: entry["serverRelativeURL"].rpartition("=")[2] for path, entry in paths.items()}


def test_the_index_names_every_group_version_with_the_hash_of_its_document(served):
    openapi, registry, _ = served
    found = digests(openapi)
    assert set(found) == {
        f"apis/{r.group}/{r.version}" if r.group else f"api/{r.version}" for r in registry.all()
    }
    for path, digest in found.items():
        body, of_document = openapi.document(path)
        assert of_document == digest
        assert openapi.document(path)[0] == body
    assert openapi.document("apis/nope/v1") is None


def test_every_reference_leads_somewhere(served):
    openapi, registry, schemas = served
    serve(registry, schemas, spec_schema({"a": STRING}))
    for path in digests(openapi):
        body, _ = openapi.document(path)
        schemas_here = orjson.loads(body)["components"]["schemas"]
        wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', body.decode()))
        assert wanted <= set(schemas_here), path


def test_each_kind_has_a_patch_that_knows_field_validation(served):
    openapi, registry, _ = served
    for path in digests(openapi):
        operations = [item["patch"] for item in document(openapi, path)["paths"].values() if "patch" in item]
        kinds = {operation["x-kubernetes-group-version-kind"]["kind"] for operation in operations}
        patched = {
            r.kind
            for r in registry.all()
            if (f"apis/{r.group}/{r.version}" if r.group else "api/v1") == path and "patch" in r.verbs
        }
        assert kinds >= patched
        for operation in operations:
            assert {"dryRun", "fieldValidation"} <= {
                parameter["name"] for parameter in operation["parameters"]
            }


def test_descriptions_are_there_for_explain(served):
    openapi, _, _ = served
    container = document(openapi, "api/v1")["components"]["schemas"]["io.k8s.api.core.v1.Container"]
    assert container["description"].startswith("A single application container")
    assert container["properties"]["image"]["description"].startswith("Container image name")
    resources = container["properties"]["resources"]
    assert resources["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ResourceRequirements"}]
    assert resources["description"]


def test_a_custom_kind_has_its_schema_and_a_changed_one_another_hash(served):
    openapi, registry, schemas = served
    before = digests(openapi)
    serve(registry, schemas, spec_schema({"a": {"type": "string", "description": "An a."}}))
    first = digests(openapi)
    assert set(first) - set(before) == {"apis/example.dev/v1"}
    made = document(openapi, "apis/example.dev/v1")
    test = made["components"]["schemas"]["dev.example.v1.Test"]
    assert test["properties"]["spec"]["properties"]["a"]["description"] == "An a."
    assert test["x-kubernetes-group-version-kind"] == [
        {"group": "example.dev", "kind": "Test", "version": "v1"}
    ]
    patch = made["paths"]["/apis/example.dev/v1/namespaces/{namespace}/tests/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    serve(registry, schemas, spec_schema({"a": STRING, "b": STRING}))
    second = digests(openapi)
    assert second["apis/example.dev/v1"] != first["apis/example.dev/v1"]
    assert second["api/v1"] == first["api/v1"]
    test = document(openapi, "apis/example.dev/v1")["components"]["schemas"]["dev.example.v1.Test"]
    assert "b" in test["properties"]["spec"]["properties"]
    registry.set_custom("tests.example.dev", [])
    assert openapi.document("apis/example.dev/v1") is None


def test_the_packaged_schemas_are_those_of_the_source():
    """As CI checks it: what is packaged is what the generator makes of the pinned release."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/builtin_schemas.py", "--check"],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def fields(data):
    """(number, value) of a protobuf message, values of length-delimited fields as bytes."""
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = varint()
        if key & 7 == 2:
            size = varint()
            yield key >> 3, data[at : at + size]
            at += size
        elif key & 7 == 1:
            yield key >> 3, data[at : at + 8]
            at += 8
        else:
            yield key >> 3, varint()


def only(data, number):
    return [value for found, value in fields(data) if found == number]


def test_the_old_document_is_the_same_in_json_and_in_protobuf(served):
    openapi, registry, schemas = served
    serve(registry, schemas, spec_schema({"a": {"type": "string", "nullable": True}}))
    body, digest = openapi.swagger(protobuf=False)
    encoded, same = openapi.swagger(protobuf=True)
    assert digest == same
    document = orjson.loads(body)
    wanted = set(re.findall(r'"#/definitions/([^"]+)"', body.decode()))
    assert wanted <= set(document["definitions"])
    (definitions,) = only(encoded, 9)
    named = [dict(fields(entry)) for entry in only(definitions, 1)]
    assert [entry[1].decode() for entry in named] == list(document["definitions"])
    (paths,) = only(encoded, 8)
    assert [dict(fields(entry))[1].decode() for entry in only(paths, 2)] == list(document["paths"])
    test = document["definitions"]["dev.example.v1.Test"]
    assert "type" not in test["properties"]["spec"]["properties"]["a"]
    pod = next(entry[2] for entry in named if entry[1] == b"io.k8s.api.core.v1.Pod")
    assert {dict(fields(entry))[1] for entry in only(pod, 31)} == {b"x-kubernetes-group-version-kind"}
    properties = only(only(pod, 25)[0], 1)
    assert {dict(fields(entry))[1].decode() for entry in properties} == set(
        document["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]
    )
    serve(registry, schemas, spec_schema({"b": STRING}))
    assert openapi.swagger(protobuf=True)[1] != digest
