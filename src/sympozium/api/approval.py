# ruff: noqa: RUF012  (pydantic copies mutable defaults)
"""ApprovalRequest: a human decision about one tool call.

The controller writes the spec once. Whoever may patch `approvalrequests/status` decides, by setting
`status.decision`; the webhook says who and when from the request. A decision stands: both rules are in the
schema, so they hold without the webhook.
"""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from sympozium.api.base import Model, Name, Rule, Time
from sympozium.api.shared import Resource, Status

Decision = Literal["Approved", "Denied", "Expired"]
Scope = Literal["once", "run"]
ANNOTATION_CALL: Final = "sympozium.ai/call-id"
"""Id of the tool call that waits; the spec does not repeat it, since the decision is bound to the digest."""
OF_A_DECISION: Final = ("decision", "scope", "decidedBy", "decidedAt", "comment")
"""Fields of the status (JSON names) that are written once, together."""


class Preview(Model):
    """What the call would do, as far as it can be said before it is done."""

    kind: Literal["diff", "dry-run", "request", "command", "none"]
    """`diff`: of a file; `dry-run`: what the Kubernetes API says it would change; `request`: as it would be sent; `command`: as it would run; `none`: nothing can be shown."""
    text: Annotated[str, Field(max_length=65536)] = ""
    """For people, secrets masked."""
    truncated: bool = False
    """Whether `text` is only a part."""
    problem: str | None = None
    """Why there is no preview, or what it does not show."""


class ApprovalSpec(Model):
    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="self == oldSelf",
            message="an approval request does not change: the decision goes into its status",
        ),
    )

    run_ref: Name
    """AgentRun whose call waits."""
    tool: Annotated[str, Field(min_length=1)]
    """Tool that would be called."""
    target: str | None = None
    """Container that would execute: a skill's name, or `shell`."""
    args: Annotated[
        dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = {}
    """Arguments as shown to the person; secrets are masked."""
    preview: Preview | None = None
    """What would happen."""
    args_digest: Annotated[str, Field(json_schema_extra={"pattern": "^sha256:[0-9a-f]{64}$"})]
    """Digest over run, tool, target, arguments and policy: the decision holds for exactly this call."""
    requested_at: Time
    """When the call was made."""
    expires_at: Time
    """When it will be refused if nobody has decided."""
    reason: str | None = None
    """Why a person is asked."""


class ApprovalStatus(Status):
    decision: Decision | None = None
    """What was decided. It cannot be changed."""
    scope: Scope | None = None
    """`once` is this call; `run` is also later calls of this run with the same digest."""
    decided_by: str | None = None
    """Kubernetes user who decided; set by the webhook."""
    decided_at: Time | None = None
    """When; set by the webhook."""
    comment: Annotated[str, Field(max_length=4096)] | None = None
    """Told to the agent."""


class ApprovalRequest(Resource):
    """A tool call that waits for a person."""

    cel: ClassVar[tuple[Rule, ...]] = (
        Rule(
            rule="!has(oldSelf.status) || !has(oldSelf.status.decision) || (has(self.status) && "
            + " && ".join(
                f"has(self.status.{field}) == has(oldSelf.status.{field}) && "
                f"(!has(self.status.{field}) || self.status.{field} == oldSelf.status.{field})"
                for field in OF_A_DECISION
            )
            + ")",
            message="this request has been decided already",
            field_path=".status.decision",
            reason="FieldValueForbidden",
        ),
    )

    kind: Literal["ApprovalRequest"] = "ApprovalRequest"
    spec: ApprovalSpec
    status: ApprovalStatus = Field(default_factory=ApprovalStatus)
