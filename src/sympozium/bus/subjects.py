"""Names on the bus: subjects of a run, its consumer, its inbox.

Names of Kubernetes objects may hold dots, which separate the tokens of a subject; they never hold
underscores, so a dot becomes one and back without loss.
"""

from dataclasses import dataclass
from typing import Final

STREAM: Final = "RUNS"
ROOT: Final = "sympozium.runs"
LIVE_ROOT: Final = "sympozium.live"
ALL: Final = f"{ROOT}.>"
AUDIT_STREAM: Final = "AUDIT"
AUDIT_ROOT: Final = "sympozium.audit"
AGENT: Final = "agent"
TOOLS: Final = "tools"
CONTROLLER: Final = "controller"
REQUESTS: Final = ("approval", "spawn", "schedule", "memory")
"""Kinds of requests from a run to the control plane; each is the type of its message too."""


def token(name: str) -> str:
    """A name as one token of a subject."""
    return name.replace(".", "_")


@dataclass(frozen=True, slots=True)
class RunRef:
    """One run, and not its successor of the same name."""

    namespace: str
    name: str
    uid: str

    @property
    def root(self) -> str:
        return f"{ROOT}.{token(self.namespace)}.{token(self.name)}"

    @property
    def everything(self) -> str:
        return f"{self.root}.>"

    @property
    def control(self) -> str:
        return f"{self.root}.control"

    @property
    def keys(self) -> str:
        """Where the controller publishes the public keys of the run's containers."""
        return f"{self.root}.keys"

    @property
    def audit(self) -> str:
        """Where the run's record is: of this run alone, so that a namesake begins a record of its own."""
        return f"{AUDIT_ROOT}.{token(self.namespace)}.{token(self.name)}.{self.uid}"

    def events(self, source: str) -> str:
        return f"{self.root}.events.{source}"

    def request(self, kind: str) -> str:
        return f"{self.root}.requests.{kind}"

    def live(self, source: str) -> str:
        """Deltas: core NATS, outside the stream's subjects, so that they are never stored."""
        return f"{LIVE_ROOT}.{token(self.namespace)}.{token(self.name)}.{source}"

    def consumer(self, source: str) -> str:
        """The durable pull consumer of the control subject, made by the controller."""
        return f"control-{source}-{self.uid}"

    def inbox(self, source: str) -> str:
        return f"_INBOX.{self.uid}-{source}"
