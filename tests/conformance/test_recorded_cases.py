"""Requests with the answers that a real kube-apiserver 1.36.3 gave, sent to ours.

A file of `recorded/` is a list of cases: `method`, `path` ({ns} is a namespace of the test's own), optional
`headers` and `body`, the `code`, and of the answer what clients see: the `message` of a refusal, the names of
listed `items`, the `warning`.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

RECORDED = Path(__file__).parent / "recorded"


def cases(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.load((RECORDED / name).read_text(), yaml.CSafeLoader)
    return loaded


def answered(api, case: dict[str, Any], ns: str) -> dict[str, Any]:
    """What is compared, as the case writes it."""
    path = case["path"].replace("{ns}", ns)
    answer = api.request(case["method"], path, case.get("body"), accept=None, **case.get("headers", {}))
    found: dict[str, Any] = {"code": answer.status}
    if answer.status >= 400:
        found["message"] = answer.json["message"].replace(ns, "{ns}")
    elif "items" in case:
        found["items"] = [item["metadata"]["name"] for item in answer.json["items"]]
    if answer.warnings:
        found["warning"] = answer.warnings[-1]
    return found


def differences(api, name: str, ns: str) -> list[str]:
    out = []
    for case in cases(name):
        wanted = {key: case[key] for key in ("code", "message", "items", "warning") if key in case}
        found = answered(api, case, ns)
        if found != wanted:
            sent = f"{case['method']} {case['path']} {case.get('body', '')}"
            out.append(f"{sent}\n  recorded {wanted}\n  found    {found}")
    return out


@pytest.fixture
def five(admin, ns):
    """A namespace with five ConfigMaps, as it was when the lists were recorded."""
    for name in "abcde":
        made = {"metadata": {"name": name, "labels": {"l": name, "x": "y"}}, "data": {"k": name}}
        assert admin.post(f"/api/v1/namespaces/{ns}/configmaps", made).status == 201
    admin.eventually(
        f"/api/v1/namespaces/{ns}/configmaps/kube-root-ca.crt", lambda answer: answer.status == 200
    )
    return ns


def test_lists_with_every_option_and_selector(admin, five):
    assert "\n".join(differences(admin, "custom_lists.yaml", five)) == ""


def test_custom_resource_definitions_that_are_and_are_not_accepted(admin, ns):
    assert "\n".join(differences(admin, "custom_definitions.yaml", ns)) == ""
