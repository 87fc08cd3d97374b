"""The workloads of the demo: a few that are well, and one that is broken in a way drawn at random."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sympozium.up.components import HOST_IMAGE

Object = dict[str, Any]
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NAMES = ("cart", "checkout", "ledger", "mailer", "pricing", "search", "shipping", "stock")


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to be broken: the container, and what Kubernetes will say about it."""

    reason: str
    story: str
    container: Callable[[], Object]
    pod: Callable[[], Object] = dict
    also: tuple[str, ...] = ()
    """Other words for it, all from what kubectl shows: a real model may choose among them."""

    def named_in(self, report: str) -> bool:
        """Whether a report names this reason."""
        return any(word.lower() in report.lower() for word in (self.reason, *self.also))


def _shell(script: str, **more: Any) -> Object:
    return {"name": "app", "image": HOST_IMAGE, "command": ["/bin/sh", "-c", script], **more}


FAILURES: tuple[Failure, ...] = (
    Failure(
        "CrashLoopBackOff",
        "its configuration file is missing, so it exits at once, again and again",
        lambda: _shell(
            'echo "FATAL: cannot read /etc/app/config.yaml: no such file or directory" >&2; exit 3'
        ),
        also=("crash loop", "crash-looping"),
    ),
    Failure(
        "ErrImageNeverPull",
        "its image name has a typo",
        lambda: {"name": "app", "image": "localhost/hots:latest"},
    ),
    Failure(
        "CreateContainerConfigError",
        "the Secret that it takes its password from does not exist",
        lambda: _shell(
            "exec sleep 3600",
            env=[
                {
                    "name": "DB_PASSWORD",
                    "valueFrom": {"secretKeyRef": {"name": "db-credentials", "key": "password"}},
                }
            ],
        ),
    ),
    Failure(
        "OOMKilled",
        "it needs more memory than its limit allows",
        lambda: _shell(
            # Doubling a shell variable: grows past any limit with nothing but a POSIX shell.
            'x=0123456789abcdef; while :; do x="$x$x"; done',
            resources={"limits": {"memory": "32Mi"}},
        ),
        lambda: {"restartPolicy": "Never"},
        also=("out of memory", "OOM-killed"),
    ),
    Failure(
        "Unschedulable",
        "it asks for more processors than any node has",
        lambda: _shell("exec sleep 3600", resources={"requests": {"cpu": "512"}}),
        also=("FailedScheduling", "insufficient cpu"),
    ),
)


def _name(chance: random.Random, base: str) -> str:
    return f"{base}-{''.join(chance.choices(_LETTERS, k=5))}"


def pod(name: str, namespace: str, container: Object, extra: Object) -> Object:
    """A plain pod of the demo."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "demo"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **extra},
    }


def draw(
    namespace: str, chance: random.Random, failures: Sequence[Failure] = FAILURES
) -> tuple[Failure, Object, list[Object]]:
    """The failure, the broken pod, and two pods that are well."""
    broken, *well = chance.sample(_NAMES, 3)
    failure = chance.choice(failures)
    healthy = [pod(_name(chance, base), namespace, _shell("exec sleep 3600"), {}) for base in well]
    return failure, pod(_name(chance, broken), namespace, failure.container(), failure.pod()), healthy


def symptom(obj: Object) -> str:
    """The word by which `kubectl get pods` calls what is wrong with a pod, or the empty string."""
    status = obj.get("status") or {}
    for container in status.get("containerStatuses") or []:
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            reason = (state.get("waiting") or state.get("terminated") or {}).get("reason", "")
            if reason and reason not in ("ContainerCreating", "PodInitializing", "Completed"):
                return str(reason)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason", ""))
    return ""
