"""What the controller tells the containers of a run: `agent.json` and `tools.json`.

Both files are written when the run is planned and do not change: `agent` knows nothing that would help a
model around its policy, `tools` knows the whole policy and no model key. They are JSON by the same rules
as the custom resources.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from sympozium.api.base import Model
from sympozium.api.conversation import Turn
from sympozium.api.policy import PolicySpec
from sympozium.api.shared import Thinking, ToolPolicy

AGENT_FILE: Final = "agent.json"
TOOLS_FILE: Final = "tools.json"
MAX_ARGUMENT_BYTES: Final = 262_144
MAX_RESULT_CHARS: Final = 50_000


class RunRef(Model):
    """Which run this is."""

    namespace: str
    name: str
    uid: str
    instance: str
    agent_id: str
    session_key: str


class AgentModel(Model):
    """The endpoint to talk to. Keys come from the environment, never from a file."""

    provider: str
    model: str
    base_url: str | None = None
    """Explicit; wins. None: `OPENAI_BASE_URL` of the environment decides, then `default_base_url`."""
    default_base_url: str | None = None
    """The installation's endpoint, for runs that neither name one nor get one from a Secret."""
    thinking: Thinking | None = None


class AgentLimits(Model):
    max_steps: Annotated[int, Field(ge=1)]
    """Model calls."""
    timeout_seconds: Annotated[float, Field(gt=0)]
    """From the start of the agent to its result."""
    max_argument_bytes: Annotated[int, Field(ge=1)] = MAX_ARGUMENT_BYTES
    """Arguments of one tool call; longer ones are an error told to the model."""


class AgentConfigFile(Model):
    """`agent.json`."""

    run: RunRef
    history: list[Turn] = []  # noqa: RUF012  (pydantic copies mutable defaults)
    """The conversation so far."""
    task: str | None = None
    """The next message. None: the model goes on from the history."""
    system_prompt: str
    """Composed: the instance's or run's prompt, then the instructions of its skills."""
    model: AgentModel
    limits: AgentLimits
    traceparent: str | None = None
    """The run's own span, as W3C writes it; sampled where spans of the run are sent."""


class PolicyLayer(Model):
    """One of the policies that hold together. A call needs the consent of all."""

    name: str
    generation: Annotated[int, Field(ge=0)] = 0
    source: Literal["instance", "floor", "parent"] = "instance"
    """Why it holds for this run."""
    spec: PolicySpec


class PolicyFile(Model):
    """The effective policy of a run, as layers."""

    name: str
    generation: int
    """Name and generation of the instance's policy; approvals are bound to the generation."""
    digest: str
    """`sha256:` over all layers."""
    layers: Annotated[list[PolicyLayer], Field(min_length=1)]


class Target(Model):
    """A container that executes."""

    name: str
    """`shell`, or the skill's name: what `target` of execute_command and of rules means."""
    kind: Literal["shell", "skill"]
    socket: str
    """Path of its unix socket in the tools container."""


class ToolLimits(Model):
    max_argument_bytes: Annotated[int, Field(ge=1)] = MAX_ARGUMENT_BYTES
    """Arguments of one call."""
    max_result_chars: Annotated[int, Field(ge=1)] = MAX_RESULT_CHARS
    """Result of one call; longer ones are cut in the middle, visibly."""
    start_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long to wait for the socket of a skill."""


class ToolsConfigFile(Model):
    """`tools.json`."""

    run: RunRef
    context: dict[str, Any] = {}  # noqa: RUF012
    """What `when` of the policy's rules sees as `run` (sympozium.policy.context)."""
    policy: PolicyFile
    tool_policies: list[ToolPolicy] = []  # noqa: RUF012  (pydantic copies mutable defaults)
    """Of the instance and of the run; each narrows."""
    approval_timeout_seconds: Annotated[float, Field(gt=0)]
    """How long a call waits for a person before it is denied."""
    targets: list[Target]
    """The shell and the skills."""
    memory: bool = False
    """Whether the agent may write notes for later runs."""
    limits: ToolLimits = Field(default_factory=ToolLimits)
    traceparent: str | None = None
    """As the agent's."""
