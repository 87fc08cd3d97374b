"""What is refused when a CustomResourceDefinition is created or changed."""

import pytest

from unit.localkube_semantics.schemas import (
    INTEGER,
    STRING,
    copy,
    crd,
    created,
    kind,
    spec_schema,
    told,
    version,
)

CRD = kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
PATH = "spec.validation.openAPIV3Schema"
"""Where the API server keeps, and checks, what all versions have alike."""
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def wrong(obj, old=None):
    return told(CRD.validate(created(CRD, obj), old))


def schema_wrong(properties, **more):
    return [
        text.removeprefix(PATH + ".properties[spec]")
        for text in wrong(crd(version(spec_schema(properties, **more))))
    ]


def test_a_sound_crd_gets_its_names_and_has_no_causes():
    made = created(CRD, crd(version(spec_schema({"a": INTEGER}))))
    assert made["spec"]["names"] == {
        "plural": "tests",
        "kind": "Test",
        "singular": "test",
        "listKind": "TestList",
    }
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert CRD.validate(made, None) == []


def test_names_and_versions():
    bad = crd(version(OPEN))
    bad["metadata"]["name"] = "x.y"
    assert wrong(bad) == ['metadata.name: Invalid value: "x.y": must be spec.names.plural+"."+spec.group']
    none = wrong(crd(version(OPEN, storage=False)))
    assert none == [
        'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version'
    ]
    assert wrong(crd(version(OPEN), version(OPEN, storage=False)))[0].endswith(
        "must contain unique version names"
    )
    assert wrong(crd(version(OPEN), scope="Universe")) == [
        'spec.scope: Unsupported value: "Universe": supported values: "Cluster", "Namespaced"'
    ]
    assert any("spec.versions: Required value" in text for text in wrong(crd()))
    upper = crd(version(OPEN), names={"plural": "Tests", "kind": "Test"})
    assert any(text.startswith("spec.names.plural: Invalid value") for text in wrong(upper))


def test_a_schema_is_needed_and_conversion_webhooks_are_refused():
    assert wrong(crd({"name": "v1", "served": True, "storage": True})) == [f"{PATH}: Required value"]
    refused = wrong(
        crd(
            version(OPEN), conversion={"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}
        )
    )
    assert len(refused) == 1
    assert refused[0].startswith("spec.conversion.strategy: Forbidden: ")


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"a": {}}, ".properties[a].type: Required value: must not be empty for specified object fields"),
        ({"a": {"type": "array"}}, ".properties[a].items: Required value: must be specified"),
        (
            {"a": {"type": "array", "items": {}}},
            ".properties[a].items.type: Required value: must not be empty for specified array items",
        ),
        (
            {"a": {"type": "text"}},
            '.properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
        ),
        (
            {"a": {"type": "object", "additionalProperties": STRING, "properties": {"b": STRING}}},
            ".properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"a": {"type": "string", "uniqueItems": True}},
            ".properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            {"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": False}},
            ".properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            {"a": {"type": "array", "items": STRING, "x-kubernetes-list-type": "map"}},
            ".properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        ({"a": {"type": "object", "$ref": "#/x"}}, ".properties[a].$ref: Forbidden: $ref is not supported"),
        (
            {"a": {"type": "integer", "default": "x"}},
            '.properties[a].default: Invalid value: "string":  in body must be of type integer: "string"',
        ),
        (
            {"a": {"type": "object", "properties": {"b": STRING}, "default": {"c": 1}}},
            '.properties[a].default: Invalid value: {"c":1}: must not have unknown fields',
        ),
        (
            {"a": {"type": "string", "anyOf": [{"type": "string"}]}},
            ".properties[a].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            {"a": {"type": "object", "anyOf": [{"properties": {"z": {"minimum": 1}}}]}},
            ".properties[a].properties[z]: Required value: because it is defined in",
        ),
    ],
)
def test_schemas_that_are_not_structural(properties, text):
    found = schema_wrong(properties)
    assert any(cause.startswith(text) for cause in found), found


def test_keys_of_map_lists_must_be_required_or_have_a_default():
    def tools(**name):
        items = {"type": "object", "properties": {"name": {"type": "string", **name}}}
        return {
            "t": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": items,
            }
        }

    assert schema_wrong(tools(default="x")) == []
    assert schema_wrong(tools())[0].startswith(
        ".properties[t].items.properties[name].default: Required value"
    )


def test_root_and_metadata():
    assert wrong(crd(version({"type": "array", "items": STRING})))[0].startswith(
        f'{PATH}.type: Invalid value: "array"'
    )
    assert (
        wrong(crd(version({"properties": {}})))[0]
        == f"{PATH}.type: Required value: must not be empty at the root"
    )
    meta = {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": OPEN}}}}
    assert wrong(crd(version(meta)))[0].startswith(f"{PATH}.properties[metadata]: Forbidden")


def test_patterns_must_compile():
    assert schema_wrong({"a": {"type": "string", "pattern": "("}})[0].startswith(
        '.properties[a].pattern: Invalid value: "("'
    )


def test_printer_columns_scale_and_selectable_fields():
    at = "spec"
    columns = [
        {"name": "A", "type": "text", "jsonPath": ".spec.a"},
        {"name": "B", "type": "string", "jsonPath": ""},
    ]
    assert wrong(crd(version(OPEN, additionalPrinterColumns=columns))) == [
        f'{at}.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
        f"{at}.additionalPrinterColumns[1].JSONPath: Required value",
    ]
    scale = {"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"}}
    assert len(wrong(crd(version(OPEN, subresources=scale)))) == 1
    fields = [
        {"jsonPath": ".spec.a"},
        {"jsonPath": ".spec.nope"},
        {"jsonPath": ".spec.o"},
        {"jsonPath": ".spec.a"},
    ]
    found = wrong(crd(version(spec_schema({"a": STRING, "o": {"type": "object"}}), selectableFields=fields)))
    assert [text.partition(":")[0] for text in found] == [
        f"{at}.selectableFields[{i}].jsonPath" for i in (1, 2, 3)
    ]


def test_what_versions_have_alike_is_told_once_of_the_spec_and_what_not_of_each():
    bad = version(spec_schema({"a": {}}))
    also = {**copy(bad), "name": "v2", "storage": False}
    assert wrong(crd(bad, also)) == [
        f"{PATH}.properties[spec].properties[a].type: Required value: must not be empty for specified object fields"
    ]
    other = {**also, "schema": version(spec_schema({"b": {}}))["schema"]}
    at = "schema.openAPIV3Schema.properties[spec].properties"
    assert [text.partition(":")[0] for text in wrong(crd(bad, other))] == [
        f"spec.versions[0].{at}[a].type",
        f"spec.versions[1].{at}[b].type",
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"deprecationWarning": "old"}, "can only be set for deprecated versions"),
        ({"deprecated": True, "deprecationWarning": ""}, "must not be empty"),
        ({"deprecated": True, "deprecationWarning": "x" * 257}, "must be <= 256 characters long"),
    ],
)
def test_the_warning_of_a_deprecated_version(more, why):
    (text,) = wrong(crd(version(OPEN, **more)))
    assert text.startswith("spec.versions[0].deprecationWarning: Invalid value: ")
    assert text.endswith(why)


def test_what_was_accepted_does_not_change():
    old = created(CRD, crd(version(OPEN)))
    old["status"] = {"storedVersions": ["v1"]}
    new = copy(old)
    new["spec"]["scope"] = "Cluster"
    assert told(CRD.validate(new, old)) == ['spec.scope: Invalid value: "Cluster": field is immutable']
    new = copy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    assert any(
        text.startswith("status.storedVersions[0]: Invalid value") for text in told(CRD.validate(new, old))
    )


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"rule": "self.nope > 1"}, "undefined field 'nope'"),
        ({"rule": "self.a >"}, "Syntax error"),
        ({"rule": "self.a + 1"}, "must evaluate to a bool"),
        ({"rule": "frob(self.a)"}, "undeclared reference to 'frob'"),
        ({"rule": "self.a > 'x'"}, "found no matching overload for '_>_' applied to '(int, string)'"),
        ({"rule": "self.l.all(x, x.zz == 'a')"}, "undefined field 'zz'"),
        ({"rule": "self.m.all(k, self.m[k].zz == 'a')"}, "undefined field 'zz'"),
        ({"rule": "has(self.l) && has(self.o.zz)"}, "undefined field 'zz'"),
        ({"rule": "self.t > '2026-01-01T00:00:00Z'"}, "(timestamp, string)"),
        ({"rule": "self.a.b == 1"}, "type 'int' does not support field selection"),
        ({"rule": " "}, "rule is not specified"),
        ({"rule": "true", "reason": "Because"}, "supported values"),
        ({"rule": "true", "fieldPath": ".nope"}, "must be a valid path"),
        ({"rule": "true", "messageExpression": "1"}, "must evaluate to a string"),
        ({"rule": "true", "optionalOldSelf": True}, "oldSelf is not used"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused_with_the_reason(rule, text):
    item = {"type": "object", "properties": {"y": STRING}}
    properties = {
        "a": INTEGER,
        "t": {"type": "string", "format": "date-time"},
        "o": item,
        "l": {"type": "array", "items": item},
        "m": {"type": "object", "additionalProperties": item},
    }
    found = schema_wrong(properties, **{"x-kubernetes-validations": [rule]})
    assert len(found) == 1, found
    assert text in found[0]
