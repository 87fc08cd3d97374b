"""Two controllers at once, and the death of the one that leads in the middle of everything: the outcome is that of one."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cluster.control_support import PROGRAM, SYSTEM, Control, control, jobs_of, ns
from cluster.test_live_policy import DENY_SHELL, current, policy
from cluster.tool_server import ToolServer
from sympozium.kube.resources import LEASES
from sympozium.testing.resources import APPROVAL_REQUEST, EVENT
from sympozium.testing.waiting import until

__all__ = ["control", "ns"]


class Pair:
    """Two processes; `kill_leader` kills the one that leads and puts a new one behind the other."""

    def __init__(self, control: Control) -> None:
        self._control = control
        control.stop_controllers()
        self._processes = [self._start(), self._start()]
        self.leader()

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._control.directory / "controllers.log").open("ab") as log:
            environment = {**os.environ, "KUBECONFIG": str(self._control.controller_kubeconfig)}
            return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=log)

    def leader(self) -> "subprocess.Popen[bytes]":
        """The process that holds the lease."""
        found: list[subprocess.Popen[bytes]] = []

        def held() -> bool:
            lease = self._control.find(LEASES, "sympozium-controller", SYSTEM)
            holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
            found[:] = [p for p in self._processes if f"_{p.pid}_" in holder]
            return bool(found)

        until(held, "one of the two leads", timeout=60)
        return found[0]

    def kill_leader(self) -> None:
        dead = self.leader()
        dead.kill()
        dead.wait(30)
        self._processes.remove(dead)
        self._processes.append(self._start())

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(30)
        self._control.start_controllers()


@pytest.fixture
def pair(control: Control, ns: str) -> Iterator[Pair]:
    made = Pair(control)
    yield made
    made.close()


def test_the_leader_dies_in_the_queue_at_the_start_at_an_approval_and_at_a_policy_change(
    control: Control, ns: str, pair: Pair
) -> None:
    policy(control, ns)
    control.configure(queue={"maxConcurrentRunsPerInstance": 1})
    try:
        control.instance(ns, policyRef="mine")
        control.run(ns, "r")
        pair.kill_leader()  # at the start
        control.run(ns, "second")
        pair.kill_leader()  # in the queue
        control.running("r", ns)
        control.wait_run("second", ns, "Queued", timeout=60)
        digest = "sha256:" + "a" * 64
        control.say(
            "r", ns, "tools",
            ("tool.approval", {"callId": "c1", "tool": "execute_command", "state": "waiting"}),
            ("approval", {"callId": "c1", "tool": "execute_command", "target": "shell", "args": {}, "argsDigest": digest,
                          "reason": "policy", "expiresIn": 600}),
        )  # fmt: skip
        pair.kill_leader()  # at an approval
        asked = control.wait_any(APPROVAL_REQUEST, lambda obj: obj["spec"]["runRef"] == "r", ns, timeout=60)
        with ToolServer(control, "r", ns) as tools:
            decided = {"status": {"decision": "Denied", "scope": "once", "decidedBy": "ann", "comment": "no"}}
            control.patch(APPROVAL_REQUEST, asked["metadata"]["name"], decided, ns, subresource="status")
            policy(control, ns, toolGating=DENY_SHELL)
            pair.kill_leader()  # at a policy change
            control.wait_run("r", ns, current(2), timeout=60)
            until(lambda: "approval.decided" in tools.kinds(), "the decision is told", timeout=60)
            control.say(
                "r",
                ns,
                "tools",
                ("tool.approval", {"callId": "c1", "tool": "execute_command", "state": "Denied"}),
            )
        control.succeed("r", ns)
        control.wait_run("r", ns, "Succeeded", timeout=60)
        control.wait_run("second", ns, lambda run: bool((run.get("status") or {}).get("jobName")), timeout=60)
    finally:
        control.configure()
    assert len(control.items(APPROVAL_REQUEST, ns)) == 1
    created = [e for e in control.items(EVENT, ns) if e["reason"] == "SuccessfulCreate"]
    assert len(created) == 2, "one pod for each run"
    assert len(jobs_of(control, "second", ns)) == 1
