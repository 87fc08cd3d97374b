"""Who may do what over the REST API: a row for every route. A route without one fails `test_every_route_has_a_row`.

What each person has, in namespace `team`: viewer `view`, approver `sympozium-approver`, operator `edit`; administrator is
in system:masters; stranger has `edit` in namespace `other` alone; anonymous sends nothing.

    ok      answered: anything but 401, 403 and a failure of the server
    no      403
    who     401
    not     answered, without anything of `team`: a list that leaves out what they may not see

`{name}` is an object of the asked kind that exists for each person anew, `{namespace}` is `team`. To add a route: add a line
here, with the body and query that make it a real request.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

PEOPLE: Final = ("viewer", "approver", "operator", "administrator", "stranger", "anonymous")
OUTSIDE: Final = ("/hooks/", "/agents/")
"""Paths that are not under `/api/v1`."""
MARK: Final = "team-only"
"""In the task of every run of `team`: nobody else may ever read it."""


@dataclass(frozen=True, slots=True)
class Row:
    """`answers` in the order of PEOPLE; `body` may be made from the object's name."""

    answers: str
    body: Any | Callable[[str], Any] = None
    query: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    """Of a run that has ended."""

    def of(self, person: str) -> str:
        return self.answers.split()[PEOPLE.index(person)]

    def body_for(self, name: str) -> Any:
        return self.body(name) if callable(self.body) else self.body


# Frequent rows.                viewer approver operator administrator stranger anonymous
READ_RUN: Final = "             ok     ok       ok       ok            no       who"
CHANGE_RUN: Final = "           no     no       ok       ok            no       who"
ADMINISTER: Final = "           no     no       no       ok            no       who"
NOWHERE: Final = "http://127.0.0.1:9/v1"
DECIDE: Final = "               no     ok       no       ok            no       who"
LIST: Final = "                 ok     ok       ok       ok            not      who"
LIST_BUT_APPROVER: Final = "    ok     not      ok       ok            not      who"
ANYBODY: Final = "              ok     ok       ok       ok            ok       ok"
SIGNED_IN: Final = "            ok     ok       ok       ok            ok       who"
NOT_A_TOKEN: Final = "          who    who      who      who           who      who"

POLICY: Final = """apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: p, namespace: team}
spec: {toolGating: {defaultAction: deny}}
"""


def run(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"instanceRef": "i", "task": MARK, **spec},
    }


def others(name: str) -> list[dict[str, Any]]:
    """What a person is tried on beside runs: an approval, a pack, a schedule, an instance of their own."""
    meta = {"name": name, "namespace": "team"}
    asked = {
        "runRef": name, "tool": "t", "target": "shell", "args": {"mark": MARK}, "argsDigest": "sha256:" + "0" * 64,
        "requestedAt": "2026-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "reason": "asks",
    }  # fmt: skip
    persona = {"name": "a", "systemPrompt": MARK}
    agent = {"agents": {"default": {"model": "m"}}, "memory": {"enabled": True}}
    tick = {"instanceRef": "i", "schedule": "0 0 1 1 *", "task": MARK}
    return [
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
        for kind, spec in (
            ("ApprovalRequest", asked), ("PersonaPack", {"personas": [persona]}), ("SympoziumSchedule", tick),
            ("SympoziumInstance", agent),
        )
    ]  # fmt: skip


def updated(name: str) -> dict[str, Any]:
    """Every run is created at some version: a made-up one is stale, which is a conflict for whoever may update."""
    made = run(name)
    made["metadata"]["resourceVersion"] = "1"
    return made


MATRIX: Final[dict[str, Row]] = {
    # Signing in: a wrong token or ticket is 401 whoever else sends it.
    "GET /session": Row(ANYBODY),
    "DELETE /session": Row(ANYBODY),
    "POST /session/token": Row(NOT_A_TOKEN, body={"token": "guessed"}),
    "POST /session/link": Row(NOT_A_TOKEN, body={"ticket": "guessed"}),
    "POST /session/links": Row(SIGNED_IN),
    # Not set up here: 404, whoever asks.
    "GET /session/oidc/start": Row(ANYBODY),
    "GET /session/oidc/callback": Row(ANYBODY),
    # Kinds and objects
    "GET /kinds": Row(SIGNED_IN),
    "GET /namespaces": Row("ok ok ok ok ok who"),
    "GET /resources/{plural}": Row("ok ok ok ok no who", query={"namespace": "team"}),
    "GET /namespaces/{namespace}/resources/{plural}/{name}": Row(READ_RUN),
    "PUT /namespaces/{namespace}/resources/{plural}/{name}": Row(
        CHANGE_RUN, body=updated, query={"dryRun": "true"}
    ),
    "PATCH /namespaces/{namespace}/resources/{plural}/{name}": Row(
        CHANGE_RUN, body={"metadata": {"labels": {"a": "b"}}}, query={"dryRun": "true"}
    ),
    "DELETE /namespaces/{namespace}/resources/{plural}/{name}": Row(CHANGE_RUN, query={"dryRun": "true"}),
    "POST /namespaces/{namespace}/resources/{plural}": Row(
        CHANGE_RUN, body=lambda name: run(f"{name}-more"), query={"dryRun": "true"}
    ),
    "GET /namespaces/{namespace}/resources/{plural}/{name}/events": Row("ok no ok ok no who"),
    "POST /apply": Row(
        CHANGE_RUN,
        body=lambda name: {
            "yaml": "apiVersion: sympozium.ai/v1alpha1\nkind: AgentRun\n"
            f"metadata: {{name: {name}, namespace: team, labels: {{c: d}}}}\nspec: {{instanceRef: i, task: {MARK}}}\n",
            "dryRun": True,
        },
    ),
    # Runs
    "GET /runs": Row(LIST),
    "POST /namespaces/{namespace}/runs": Row(CHANGE_RUN, body={"instance": "i", "task": MARK}),
    "GET /namespaces/{namespace}/runs/{name}": Row(READ_RUN),
    "GET /namespaces/{namespace}/runs/{name}/tree": Row(READ_RUN),
    "GET /namespaces/{namespace}/runs/{name}/transcript": Row(READ_RUN),
    "GET /namespaces/{namespace}/runs/{name}/events": Row(READ_RUN),
    "POST /namespaces/{namespace}/runs/{name}/cancel": Row(CHANGE_RUN),
    "POST /namespaces/{namespace}/runs/{name}/suspend": Row(CHANGE_RUN),
    "POST /namespaces/{namespace}/runs/{name}/resume": Row(CHANGE_RUN),
    "POST /namespaces/{namespace}/runs/{name}/retry": Row(CHANGE_RUN, ended=True),
    "POST /namespaces/{namespace}/runs/{name}/fork": Row(CHANGE_RUN, body={"step": 1}, ended=True),
    "GET /namespaces/{namespace}/runs/{name}/timing": Row(READ_RUN),
    "GET /namespaces/{namespace}/runs/{name}/decisions": Row(READ_RUN),
    "GET /namespaces/{namespace}/runs/{name}/record": Row(READ_RUN, ended=True),
    "GET /usage": Row(LIST),
    "GET /overview": Row(LIST),
    # Of the whole installation: an administrator's right.
    "POST /stop": Row(ADMINISTER, body={"all": True, "seconds": 0}),
    "POST /resume": Row(ADMINISTER, body={"all": True, "seconds": 0}),
    # Setting up: where agents send their requests is decided, and tried, by whoever may change SympoziumConfig.
    "GET /setup": Row(SIGNED_IN),
    "POST /setup": Row(ADMINISTER, body={"baseURL": NOWHERE, "provider": "p", "model": "m"}),
    "POST /setup/try": Row(ADMINISTER, body={"baseURL": NOWHERE}),
    "GET /doctor": Row(ADMINISTER),
    "GET /settings": Row(SIGNED_IN),
    # Governing: an approver decides, an operator changes packs and schedules, neither does the other's work.
    "GET /approvals": Row(LIST),
    "POST /namespaces/{namespace}/approvals/{name}/approve": Row(DECIDE, body={"comment": "fine"}),
    "POST /namespaces/{namespace}/approvals/{name}/deny": Row(DECIDE, body={"comment": "no"}),
    "GET /packs": Row(LIST_BUT_APPROVER),
    "POST /namespaces/{namespace}/packs/{name}/enable": Row(CHANGE_RUN, body={}),
    "POST /namespaces/{namespace}/packs/{name}/disable": Row(CHANGE_RUN),
    "GET /schedules": Row(LIST_BUT_APPROVER),
    "POST /namespaces/{namespace}/schedules/{name}/suspend": Row(CHANGE_RUN),
    "POST /namespaces/{namespace}/schedules/{name}/resume": Row(CHANGE_RUN),
    "POST /namespaces/{namespace}/schedules/{name}/fire": Row(CHANGE_RUN),
    "GET /policies": Row(LIST_BUT_APPROVER),
    "POST /policies/check": Row(SIGNED_IN, body={"yaml": POLICY}),
    "POST /policies/try": Row(SIGNED_IN, body={"yaml": POLICY, "call": {"tool": "read_file", "args": {}}}),
    "POST /policies/backtest": Row(READ_RUN, body={"yaml": POLICY, "namespace": "team"}),
    "GET /instances": Row(LIST_BUT_APPROVER),
    "GET /skills": Row(LIST_BUT_APPROVER),
    # Notes of agents are ConfigMaps.
    "GET /memory": Row("ok no ok ok no who", query={"namespace": "team"}),
    "GET /namespaces/{namespace}/memory/{instance}": Row("ok no ok ok no who"),
    "PUT /namespaces/{namespace}/memory/{instance}": Row("no no ok ok no who", body={"text": MARK}),
    # Triggers: their own token counts, and no user's.
    "POST /hooks/{namespace}/{name}": Row(NOT_A_TOKEN, body={}),
    # Streams
    "GET /stream": Row(READ_RUN, query={"watch": "agentruns", "namespace": "team"}),
}
