"""Names of what a run owns. All derive from the run, so a second try meets the objects of the first."""

from sympozium.api.meta import LABEL_INSTANCE, LABEL_RUN
from sympozium.api.run import AgentRun
from sympozium.names import derive, digest, label_value

# Kubernetes appends five letters and a dash to the name of a Job for its pods, which are labels.
_JOB_LIMIT = 57
LABEL_RUN_NAMESPACE = "sympozium.ai/run-namespace"
"""On cluster-scoped objects of a run, which no owner reference can hold."""

ANNOTATION_POLICY = "sympozium.ai/policy"
"""On a pod: fingerprint of the rules that its tool server was told, and that its rights and network follow."""


def labels(run: AgentRun) -> dict[str, str]:
    """Labels of everything that a run owns."""
    return {LABEL_RUN: label_value(run.name), LABEL_INSTANCE: label_value(run.spec.instance_ref)}


def job(run: str) -> str:
    return derive(run, limit=_JOB_LIMIT)


def owned(run: str, part: str) -> str:
    """`<run>-<part>`: ConfigMaps, Secrets."""
    return derive(run, part)


def skill_container(pack: str) -> str:
    return derive("skill", pack)


def skill_account(run: str, pack: str) -> str:
    """ServiceAccount, Secret, Role and RoleBinding of a skill in a run."""
    return derive(run, "skill", pack)


def cluster_role(run: AgentRun, pack: str) -> str:
    """ClusterRole and ClusterRoleBinding of a skill in a run: the uid keeps a successor's apart."""
    return f"sympozium:run:{run.namespace}:{run.name}:{digest(run.metadata.uid, pack)}"


def approval(run: str, call_id: str, args_digest: str) -> str:
    """The ApprovalRequest of a tool call, as it would be made. Call ids may be anything."""
    return derive(run, digest(call_id, args_digest))


def child(run: AgentRun, call_id: str) -> str:
    """The run that a call of `spawn_agent` starts: one, however often the call is asked for."""
    return derive(run.name, digest(run.metadata.uid, call_id))


def agent_schedule(instance: str, name: str) -> str:
    """The SympoziumSchedule that agents of an instance call `name`; the digest keeps it apart from people's."""
    return derive(instance, name, digest(instance, name))


def env_name(param: str) -> str:
    """`SKILL_<KEY>` of a parameter."""
    return "SKILL_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in param).upper()
