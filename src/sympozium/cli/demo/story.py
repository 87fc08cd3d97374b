"""The story of `make demo`, on the control plane of one data directory.

Everything that it shows is done by the commands that it prints; the one thing that it stages is the
fault, drawn at random, so that the agent cannot know it.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sympozium.cli.demo import people
from sympozium.cli.demo.narrator import Narrator
from sympozium.cli.demo.workloads import Failure, draw, symptom
from sympozium.testing.client import Client, phase
from sympozium.testing.resources import AGENT_RUN, APPROVAL_REQUEST, INSTANCE, NAMESPACE, POD, SCHEDULE
from sympozium.up.commands import down, up
from sympozium.up.paths import DataDir
from sympozium.up.state import is_running

NAMESPACE_OF_AGENTS = "default"
NAMESPACE_OF_WORK = "shop"
PACK, PERSONA = "platform-team", "sre-agent"
TERMINAL = ("Succeeded", "Failed", "Cancelled")

_REVIEWER = """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {name: code-reviewer, namespace: default}
spec:
  agents: {default: {model: any}}
  policyRef: restrictive-policy
"""

_REFUSED = """
apiVersion: sympozium.ai/v1alpha1
kind: AgentRun
metadata: {name: review-and-rewrite, namespace: default}
spec:
  instanceRef: code-reviewer
  task: Review the change, and write the better version over it.
  toolPolicy: {allow: [read_file, write_file]}
"""


@dataclass(slots=True)
class Story:
    """One telling. `chance` draws the fault."""

    data: DataDir
    chance: random.Random
    say: Narrator = field(default_factory=Narrator)
    api: Client = field(init=False)

    def tell(self) -> int:
        """Exit code 0 when the run succeeded, its report names the broken pod, and the refusal happened."""
        was_running = is_running(self.data)
        try:
            self._start()
            self.api = Client(self.data.kubeconfig, namespace=NAMESPACE_OF_AGENTS)
            failure, broken = self._break_something()
            self._enable_the_team()
            run = self._fire()
            finished = self._watch(run)
            ok = self._report(finished, failure, broken)
            ok &= self._refusal()
            self._look_around(run, running=was_running)
        finally:
            if not was_running:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave it running
                with contextlib.suppress(BrokenPipeError):  # `make demo | head`
                    self.say.line()
                down(self.data.root)
        return 0 if ok else 1

    def _sympozium(
        self, *arguments: str, kubeconfig: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        self.say.command(" ".join(["sympozium", *(f'"{a}"' if " " in a else a for a in arguments)]))
        return subprocess.run(
            [sys.executable, "-m", "sympozium", *arguments],
            env={**os.environ, "KUBECONFIG": str(kubeconfig or self.data.kubeconfig)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    # -- the steps

    def _start(self) -> None:
        self.say.step("Start the control plane on this machine")
        self.say.command("sympozium up --detach")
        up(self.data.root, port=0, detach=True)

    def _break_something(self) -> tuple[Failure, dict[str, Any]]:
        self.say.step(
            f"Break something: three workloads in namespace {NAMESPACE_OF_WORK}, one of them with a fault drawn at random"
        )
        if self.api.find(NAMESPACE, NAMESPACE_OF_WORK):
            self.api.delete(NAMESPACE, NAMESPACE_OF_WORK)
            self.api.wait_gone(NAMESPACE, NAMESPACE_OF_WORK)
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE_OF_WORK}})
        failure, broken, healthy = draw(NAMESPACE_OF_WORK, self.chance)
        for pod in (broken, *healthy):
            self.api.create(pod)
        for pod in healthy:
            self.api.wait(POD, pod["metadata"]["name"], lambda p: phase(p) == "Running", NAMESPACE_OF_WORK)
        self.api.wait(
            POD, broken["metadata"]["name"], lambda p: symptom(p) == failure.reason, NAMESPACE_OF_WORK
        )
        self.say.good("done; the agent is not told which one, nor what is wrong with it")
        return failure, broken

    def _enable_the_team(self) -> None:
        self.say.step("Enable the platform team: identity, policy, skills and schedule from one resource")
        done = self._sympozium("pack", "enable", PACK)
        self.say.quote(done.stdout + done.stderr)
        self.api.wait(
            SCHEDULE, f"{PACK}-{PERSONA}-schedule", lambda s: bool((s.get("status") or {}).get("nextRunTime"))
        )
        done = self._sympozium("get", "sympoziuminstances,sympoziumschedules")
        self.say.quote(done.stdout + done.stderr)

    def _fire(self) -> str:
        self.say.step("Fire the heartbeat now instead of at the next full hour, and watch the run")
        schedule = f"{PACK}-{PERSONA}-schedule"
        token = format(self.chance.getrandbits(40), "x")
        self.say.command(f"kubectl annotate sympoziumschedule {schedule} sympozium.ai/fire={token}")
        self.api.patch(SCHEDULE, schedule, {"metadata": {"annotations": {"sympozium.ai/fire": token}}})
        fired = self.api.wait(
            SCHEDULE, schedule, lambda s: token in str((s.get("status") or {}).get("lastRunName", ""))
        )
        return str(fired["status"]["lastRunName"])

    def _watch(self, run: str) -> dict[str, Any]:
        """Stream the run; grant what it asks for, as a person with a name and the right to."""
        olivia = people.make(self.data, self.api, NAMESPACE_OF_AGENTS)
        over = threading.Event()
        granting = threading.Thread(target=self._grant, args=(run, olivia, over))
        self.say.command(f"sympozium logs {run} --follow")
        self.say.line()
        with subprocess.Popen(
            [sys.executable, "-m", "sympozium", "logs", run, "--follow"],
            env={**os.environ, "KUBECONFIG": str(self.data.kubeconfig), "PYTHONUNBUFFERED": "1"},
        ) as following:
            granting.start()
            try:
                finished = self.api.wait(AGENT_RUN, run, lambda r: phase(r) in TERMINAL, timeout=600)
                following.wait(60)
            finally:
                over.set()
                following.terminate()
                granting.join()
        return finished

    def _grant(self, run: str, olivia: Path, over: threading.Event) -> None:
        granted: set[str] = set()
        while not over.is_set():
            for request in self.api.items(APPROVAL_REQUEST, labelSelector=f"sympozium.ai/run={run}"):
                name = request["metadata"]["name"]
                if name in granted or (request.get("status") or {}).get("decision"):
                    continue
                granted.add(name)
                self.say.line()
                self.say.good(f"{people.NAME} (group {people.GROUP}) looks at what is asked, and grants it:")
                self.say.quote(self._sympozium("approvals", "show", name, kubeconfig=olivia).stdout)
                done = self._sympozium(
                    "approvals", "approve", name, "--comment", "seen it, go on", kubeconfig=olivia
                )  # fmt: skip
                if done.returncode:  # when it went well, the stream says so
                    self.say.bad(done.stderr.rstrip())
            over.wait(0.3)

    def _report(self, run: dict[str, Any], failure: Failure, broken: dict[str, Any]) -> bool:
        status = run["status"]
        name = broken["metadata"]["name"]
        self.say.step("The report, as it stands in the status of the run")
        self.say.quote(status.get("result") or status.get("error") or "(none)")
        self.say.line()
        self.say.line(f"   run {run['metadata']['name']}: {status['phase']}, reason {status.get('reason')}, "
                      f"{status.get('steps')} steps, {(status.get('tokenUsage') or {}).get('totalTokens')} tokens")  # fmt: skip
        self.say.line(f"   what was really broken: pod {name}: {failure.reason} ({failure.story})")
        result = status.get("result") or ""
        if status["phase"] == "Succeeded" and name in result and failure.named_in(result):
            self.say.good("the report names the pod and the reason")
            return True
        self.say.bad("the report does not name the pod and the reason")
        return False

    def _refusal(self) -> bool:
        self.say.step("A run that its policy forbids is refused at admission, before any pod exists")
        self.api.apply(_REVIEWER)
        self.api.wait(INSTANCE, "code-reviewer", lambda _: True)
        self.say.quote(_REFUSED.strip())
        done = subprocess.run(
            [sys.executable, "-m", "sympozium", "apply", "-f", "-"],
            input=_REFUSED, env={**os.environ, "KUBECONFIG": str(self.data.kubeconfig)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.say.command("sympozium apply -f review.yaml")
        self.say.quote(done.stderr + done.stdout)
        if done.returncode and "write_file" in done.stderr:
            self.say.good("refused, with the rule")
            return True
        self.say.bad("it was not refused")
        return False

    def _look_around(self, run: str, *, running: bool) -> None:
        self.say.step(
            "Look around" + ("" if running else " (`make up` first: the demo stops what it started)")
        )
        kubeconfig = _short(self.data.kubeconfig)
        kubectl = f"{_short(Path(sys.executable).with_name('kubectl'))} --kubeconfig {kubeconfig}"
        sympozium = f"KUBECONFIG={kubeconfig} {_short(Path(sys.executable).with_name('sympozium'))}"
        for command in (
            f"{sympozium} open",
            f"{kubectl} get agentruns,sympoziuminstances,personapacks -A",
            f"{kubectl} get pods -n {NAMESPACE_OF_WORK}",
            f"{kubectl} explain agentrun.spec",
            f"{sympozium} logs {run}",
        ):
            self.say.command(command)


def _short(path: Path) -> str:
    """Relative to where the person stands, when it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
