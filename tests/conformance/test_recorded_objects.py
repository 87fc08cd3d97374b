"""Answers of a real kube-apiserver to odd objects and requests: ours are the same."""

import json

import pytest

from conformance.kubeapi import APPLY
from conformance.recordings import RECORDED, answer, changed, load

KINDS = sorted(path.stem.removeprefix("objects-") for path in RECORDED.glob("objects-*.json"))
STEPS = {scenario["name"]: scenario["steps"] for scenario in load("steps.json")}


def told(found, namespace):
    body = json.loads(found.raw) if found.raw.startswith((b"{", b"[")) else found.raw.decode()
    return answer(found.status, found.warnings, body, namespace)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_with_one_thing_changed(admin, ns, kind):
    recorded = json.loads((RECORDED / f"objects-{kind}.json").read_text().replace("{ns}", ns))
    path, obj = f"{recorded['path']}?dryRun=All", recorded["object"]
    # Who wrote it is the recorder there and this test here.
    agent = {"User_Agent": "drv/1"}
    if recorded["created"] is not None:
        expected = load(f"objects-{kind}.json")["created"]
        assert told(admin.post(path, obj, **agent), ns) == expected
    wrong = []
    for case in recorded["cases"]:
        sent = changed(obj, case["at"], case.get("set"), delete=case.get("delete", False))
        made = told(admin.post(path, sent, **agent), ns)
        wanted = {key: case[key] for key in ("code", "warnings", "message", "reason") if key in case}
        wanted = json.loads(json.dumps(wanted).replace(ns, "{ns}"))
        if {key: value for key, value in made.items() if key != "body"} != wanted:
            wrong.append((case["at"], case.get("set"), wanted, made))
    assert not wrong, f"{len(wrong)} of {len(recorded['cases'])}, the first: {wrong[0]}"


@pytest.mark.parametrize("name", STEPS)
def test_sequences_of_requests(admin, ns, name):
    known = {"rv": "", "uid": ""}
    for number, step in enumerate(STEPS[name]):
        body = step.get("body")
        if body is not None:
            body = body if isinstance(body, str) else json.dumps(body)
            for key, value in {"ns": ns, **known}.items():
                body = body.replace("{" + key + "}", value)
        found = admin.request(
            step["method"],
            step["path"].replace("{ns}", ns),
            body,
            ct=step.get("type", "application/json"),
            User_Agent=step.get("agent", "drv/1"),
        )
        made = told(found, ns)
        if "answer" in step:
            assert made == step["answer"], (name, number, step["method"], step["path"])
        meta = json.loads(found.raw).get("metadata") if found.raw.startswith(b"{") else None
        if isinstance(meta, dict):
            known = {"rv": meta.get("resourceVersion", ""), "uid": meta.get("uid", "")}


def test_the_recordings_are_of_every_way_to_write():
    methods = {(step["method"], step.get("type", "")) for steps in STEPS.values() for step in steps}
    assert {("PATCH", APPLY), ("PUT", ""), ("POST", ""), ("DELETE", "")} <= methods
    assert len(KINDS) > 30
