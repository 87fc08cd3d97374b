"""The file of `sympozium policy test`: assertions about policies, as models.

policies: [careful.yaml]            files with SympoziumPolicies, beside this one
policy: careful                     the instance's; may be left out when there is one. Built-in ones are known
floor: floor                        of the installation, if there is one
run: {instance: helper}             what `when` sees as `run`, for all tests; empty where nothing is said
tests:
  - name: a look is free
    call: {tool: read_file}         a tool call ...
    expect: allow                   ... and allow, ask or deny
    rule: toolGating.rules[0]       which rule decides, if that matters
  - name: no other host
    connect: {host: example.com, port: 443, addresses: [93.184.216.34]}
    expect: deny
  - name: a small sandbox
    admit: {sandbox: {enabled: true, resources: {limits: {memory: 64Gi}}}}    the spec of an AgentRun
    expect: deny
    field: spec.sandbox.resources.limits.memory
  - name: no Secrets
    grant: [{apiGroups: [""], resources: [secrets], verbs: [get]}]            rights of a skill pack
    expect: deny
"""
# ruff: noqa: RUF012  (pydantic copies mutable defaults)

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sympozium.api.base import Model
from sympozium.api.shared import RBACRule, ToolPolicy


class CallCase(Model):
    tool: str
    target: str | None = None
    """The container that executes; for built-in tools the usual one when absent."""
    args: dict[str, Any] = {}


class TriggerSeen(Model):
    kind: str = ""
    name: str = ""
    user: str = ""


class RunSeen(Model):
    """What `when` sees as `run`: every key is there, as for a run (`policy.context`)."""

    namespace: str = "default"
    name: str = "run"
    instance: str = "instance"
    depth: Annotated[int, Field(ge=0)] = 0
    trigger: TriggerSeen = TriggerSeen()
    labels: dict[str, str] = {}


class ConnectCase(Model):
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    addresses: list[str] = []
    """What the name resolves to."""


class Case(Model):
    """One assertion: exactly one of call, connect, admit and grant."""

    name: Annotated[str, Field(min_length=1)]
    call: CallCase | None = None
    connect: ConnectCase | None = None
    admit: dict[str, Any] | None = None
    grant: list[RBACRule] | None = None
    instance: dict[str, Any] = {}
    """For `admit`: fields of the instance's `spec.agents.default`."""
    run: RunSeen = RunSeen()
    """For `call`: what `when` sees, over the file's own."""
    tool_policy: ToolPolicy | None = None
    """For `call`: that of the run."""
    expect: Literal["allow", "ask", "deny"]
    rule: str | None = None
    """The deciding rule must hold this text."""
    field: str | None = None
    """For `admit`: a refused field must be this one."""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = [name for name in ("call", "connect", "admit", "grant") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a test is about one of call, connect, admit and grant, this one has {', '.join(given) or 'none'}"
            )
        if self.expect == "ask" and given != ["call"]:
            raise ValueError("only a call can be asked about")
        if self.field is not None and given != ["admit"]:
            raise ValueError("field goes with admit")
        return self


class CaseFile(Model):
    policies: list[str] = []
    policy: str | None = None
    floor: str | None = None
    run: RunSeen = RunSeen()
    tests: Annotated[list[Case], Field(min_length=1)]
