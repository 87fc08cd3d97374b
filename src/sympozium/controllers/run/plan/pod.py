"""The Job of a run and its pod: docs/contracts.md, "The pod of a run".

What is mounted where is the isolation: the agent has no workspace and no Kubernetes token, tools has no key of
the user's, shell has nothing but the workspace and its socket, a skill has its own Secret and token. Each pair
that talks shares one emptyDir, which no third container mounts.
"""

from collections.abc import Sequence
from typing import Any, Final

from sympozium import quantities, undumpable
from sympozium.api.base import Object
from sympozium.api.images import pulling
from sympozium.api.meta import LABEL_COMPONENT
from sympozium.api.shared import ResourceRequirements
from sympozium.api.skillpack import HostAccess
from sympozium.controllers.run.plan import names, network
from sympozium.controllers.run.plan.files import SOCKETS
from sympozium.controllers.run.plan.inputs import Inputs, PlanError, Skill
from sympozium.policy import hostaccess, sandbox

RUN_FILES: Final = "/etc/sympozium/run"
BUS_FILES: Final = "/etc/sympozium/bus"
JOURNAL: Final = "/var/lib/sympozium/journal"
WORKSPACE: Final = "/workspace"
ACCOUNT_FILES: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_GRACE: Final = 30
_AGENT_REQUESTS: Final = {"cpu": "50m", "memory": "128Mi"}
_SMALL_REQUESTS: Final = {"cpu": "20m", "memory": "64Mi"}
_SHELL_LIMITS: Final = {"memory": "2Gi"}
"""Where neither run nor policy has set one: what the model wrote may not take what others need. /tmp counts, since
it is memory on a node of ours."""
_SIZES: Final = {"workspace": "20Gi", "journal": "1Gi", "shell-tmp": "2Gi"}
_SOCKET_SIZE: Final = "16Mi"
"""A run that fills a volume beyond its size is evicted before it fills the disk of its node."""


def job(inputs: Inputs, *, deadline: int, annotations: dict[str, str], accounts: dict[str, str]) -> Object:
    """`accounts` are the skills that have a token; `deadline` in seconds."""
    run = inputs.run
    labels = names.labels(run)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.job(run.name),
            "namespace": run.namespace,
            "labels": labels,
            "ownerReferences": [inputs.owner],
        },
        "spec": {
            "backoffLimit": run.spec.retries,
            "activeDeadlineSeconds": deadline * (run.spec.retries + 1),
            "template": {
                "metadata": {
                    "labels": {**labels, LABEL_COMPONENT: "run"},
                    **({"annotations": annotations} if annotations else {}),
                },
                "spec": _pod(inputs, accounts),
            },
        },
    }


def _pod(inputs: Inputs, accounts: dict[str, str]) -> Object:
    run, skills = inputs.run, inputs.skills
    profile = sandbox.seccomp(inputs.policy) or "RuntimeDefault"
    if profile == "Localhost":
        raise PlanError("sandboxPolicy.seccompProfile Localhost names no profile: use RuntimeDefault")
    return {
        "restartPolicy": "Never",
        "serviceAccountName": run.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": profile}},
        **_host_namespaces(skills),
        **pulling(inputs.images.pull_secrets),
        # The tool server first: it takes longest to start, and the agent waits for it.
        "initContainers": [_tools(inputs), *(_skill(inputs, s, accounts) for s in skills), _shell(inputs)],
        "containers": [_agent(inputs)],
        "volumes": _volumes(inputs, accounts),
    }


def _agent(inputs: Inputs) -> Object:
    agent = inputs.instance.spec.agents.default
    secrets = [reference.secret for reference in inputs.instance.spec.auth_refs or inputs.config.auth_refs]
    model = inputs.run.spec.model
    if model and model.auth_secret_ref:
        secrets.append(model.auth_secret_ref)
    return _container(
        "agent",
        inputs.images.agent,
        # A later Secret wins over an earlier one, so the run's own comes last.
        envFrom=[*({"secretRef": {"name": name}} for name in dict.fromkeys(secrets)), *_proxy(inputs)],
        env=_env({**agent.env, **_unseen(inputs)}),
        resources=_resources(agent.resources, _AGENT_REQUESTS),
        terminationMessagePolicy="FallbackToLogsOnError",
        volumeMounts=[
            _mount("agent-files", RUN_FILES, read_only=True),
            _mount("agent-bus", BUS_FILES, read_only=True),
            _mount("tools-socket", f"{SOCKETS}/tools"),
        ],
    )


def _tools(inputs: Inputs) -> Object:
    mounts = [
        _mount("tools-files", RUN_FILES, read_only=True),
        _mount("tools-bus", BUS_FILES, read_only=True),
        _mount("tools-socket", f"{SOCKETS}/tools"),
        _mount("shell-socket", f"{SOCKETS}/shell"),
        *(_mount(f"{s.container}-socket", f"{SOCKETS}/{s.container}") for s in inputs.skills),
        _mount("journal", JOURNAL),
    ]
    return _sidecar(
        "tools", inputs.images.tools, envFrom=_proxy(inputs), env=_env(_unseen(inputs)), resources=_resources(None, _SMALL_REQUESTS),
        volumeMounts=mounts,
    )  # fmt: skip


def _shell(inputs: Inputs) -> Object:
    box = inputs.run.spec.sandbox
    mounts = [_mount("shell-socket", f"{SOCKETS}/shell"), _mount("workspace", WORKSPACE)]
    context: Object = {}
    changes: Object = {}
    if box is not None and box.image:
        # An image of somebody's own has the sympozium package, and not necessarily our entry point. -I: see `Containerfile`.
        changes["command"] = ["python3", "-I", "-m", "sympozium.shell"]
    if box is not None and box.enabled:
        mounts.append(_mount("shell-tmp", "/tmp"))  # noqa: S108 - a path in the container
        context["readOnlyRootFilesystem"] = True
    if box is not None and box.security_context is not None:
        context |= box.security_context.to_json()
        drop = (context.pop("capabilities", None) or {}).get("drop") or []
        context["capabilities"] = {"drop": sorted({*drop, "ALL"})}
    return _sidecar(
        "shell",
        (box.image if box else None) or inputs.images.shell,
        env=_env(inputs.run.spec.env),
        resources=_resources(box.resources if box else None, _SMALL_REQUESTS, _SHELL_LIMITS),
        volumeMounts=mounts,
        security=context,
        **changes,
    )


def _skill(inputs: Inputs, skill: Skill, accounts: dict[str, str]) -> Object:
    sidecar = skill.sidecar
    env = {names.env_name(key): value for key, value in sorted(skill.params.items())}
    env |= {variable.name: variable.value for variable in sidecar.env}
    mounts = [_mount(f"{skill.container}-socket", f"{SOCKETS}/{skill.container}")]
    if sidecar.mount_workspace:
        mounts.append(_mount("workspace", WORKSPACE))
    if skill.pack.name in accounts:
        mounts.append(_mount(f"{skill.container}-token", ACCOUNT_FILES, read_only=True))
        server = inputs.api_server
        env |= {"KUBERNETES_SERVICE_HOST": server.host, "KUBERNETES_SERVICE_PORT": str(server.port)}
    if sidecar.secret_ref:
        path = sidecar.secret_mount_path or f"/secrets/{sidecar.secret_ref}"
        mounts.append(_mount(f"{skill.container}-secret", path, read_only=True))
    access = hostaccess.of(skill.pack)
    for index, mount in enumerate(access.mounts if access else ()):
        mounts.append(_mount(f"{skill.container}-host-{index}", mount.mount_path, read_only=mount.read_only))
    limits = {k: v for k, v in (("cpu", _cpu(skill)), ("memory", _memory(skill))) if v}
    resources = ResourceRequirements(limits=limits) if limits else None
    changes = {"command": list(sidecar.command)} if sidecar.command else {}
    return _sidecar(
        skill.container, sidecar.image, envFrom=_proxy(inputs),
        env=_env(env), resources=_resources(resources, _SMALL_REQUESTS), volumeMounts=mounts,
        security=_host_rights(access) if access else None, **changes,
    )  # fmt: skip


def _host_namespaces(skills: Sequence[Skill]) -> Object:
    """Those of the node that the pod shares: all its containers do, when one needs it."""
    asked = [access for skill in skills if (access := hostaccess.of(skill.pack))]
    found: Object = {}
    if any(access.host_pid for access in asked):
        found["hostPID"] = True
    if any(access.host_network for access in asked):
        found |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return found


def _host_rights(access: HostAccess) -> Object:
    """What differs from the other containers' security context."""
    found: Object = {"runAsUser": 0, "runAsNonRoot": False} if access.run_as_root else {}
    if access.privileged:
        # Kubernetes takes neither of the two beside it.
        found |= {"privileged": True, "allowPrivilegeEscalation": True, "capabilities": {}}
    return found


def _unseen(inputs: Inputs) -> dict[str, str]:
    """For containers with keys, in a pod whose containers see each other's processes."""
    return {undumpable.ENVIRONMENT: "1"} if "hostPID" in _host_namespaces(inputs.skills) else {}


def _proxy(inputs: Inputs) -> list[Object]:
    """The way out, with the run's credential, for all but `shell`."""
    return (
        [{"secretRef": {"name": names.owned(inputs.run.name, "egress")}}] if network.proxied(inputs) else []
    )


def _cpu(skill: Skill) -> str | None:
    return skill.sidecar.resources.cpu if skill.sidecar.resources else None


def _memory(skill: Skill) -> str | None:
    return skill.sidecar.resources.memory if skill.sidecar.resources else None


def _volumes(inputs: Inputs, accounts: dict[str, str]) -> list[Object]:
    run, skills = inputs.run.name, inputs.skills
    volumes = [
        _config_map("agent-files", names.owned(run, "agent")),
        _config_map("tools-files", names.owned(run, "tools")),
        _secret("agent-bus", names.owned(run, "bus-agent")),
        _secret("tools-bus", names.owned(run, "bus-tools")),
        *(_empty(name) for name in ("tools-socket", "shell-socket", "workspace", "journal")),
    ]
    box = inputs.run.spec.sandbox
    if box is not None and box.enabled:
        volumes.append(_empty("shell-tmp"))
    for skill in skills:
        volumes.append(_empty(f"{skill.container}-socket"))
        if skill.pack.name in accounts:
            volumes.append(_secret(f"{skill.container}-token", accounts[skill.pack.name]))
        if skill.sidecar.secret_ref:
            volumes.append(_secret(f"{skill.container}-secret", skill.sidecar.secret_ref))
        access = hostaccess.of(skill.pack)
        volumes += [
            {"name": f"{skill.container}-host-{index}", "hostPath": {"path": mount.host_path}}
            for index, mount in enumerate(access.mounts if access else ())
        ]
    return volumes


def _container(name: str, image: str, *, security: Object | None = None, **fields: Any) -> Object:
    """Fields that are empty are left out, so that a plan shows what somebody wanted."""
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, **(security or {})}
    kept = {key: value for key, value in fields.items() if value}
    return {"name": name, "image": image, **kept, "securityContext": context}


def _sidecar(name: str, image: str, **fields: Any) -> Object:
    """A native sidecar: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"""
    return {**_container(name, image, **fields), "restartPolicy": "Always"}


def _resources(
    wanted: ResourceRequirements | None, requests: dict[str, str], default: dict[str, str] | None = None
) -> Object:
    """What was asked for, with modest requests where nothing was: limits where somebody set them, or by `default`.

    Kubernetes would make a limit the request too. A policy's limit of two cores would then keep two cores free for
    a shell that mostly waits, and a small machine could run nothing.
    """
    limits = {**(default or {}), **(wanted.limits if wanted else {})}
    asked = dict(wanted.requests) if wanted else {}
    modest = {
        key: quantities.smaller(value, limits[key]) if key in limits else value
        for key, value in requests.items()
    }
    found = {"requests": {**modest, **asked}, "limits": limits}
    return {key: value for key, value in found.items() if value}


def _env(values: dict[str, str]) -> Sequence[Object]:
    return [{"name": key, "value": value} for key, value in values.items()]


def _mount(volume: str, path: str, *, read_only: bool = False) -> Object:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _config_map(volume: str, name: str) -> Object:
    return {"name": volume, "configMap": {"name": name}}


def _secret(volume: str, name: str) -> Object:
    return {"name": volume, "secret": {"secretName": name}}


def _empty(volume: str) -> Object:
    return {"name": volume, "emptyDir": {"sizeLimit": _SIZES.get(volume, _SOCKET_SIZE)}}
