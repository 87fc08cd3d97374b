"""What a run gets from its instance, and an instance from the installation.

Pure. The webhook stores the result in the run, so that what ran can be read from the run alone, whatever
happens to the instance later.
"""

from sympozium.api.config import ConfigSpec
from sympozium.api.instance import AgentConfig, SympoziumInstance
from sympozium.api.run import AgentRun, ModelSpec, RunSpec
from sympozium.policy import sandbox
from sympozium.policy.effective import Effective

DEFAULT_AGENT = "default"
DEFAULT_PROVIDER = "openai"


def fill(run: AgentRun, instance: SympoziumInstance, config: ConfigSpec, policy: Effective) -> RunSpec:
    """The spec of a run with everything filled in that its author left out, except the trigger."""
    spec, agent = run.spec, instance.spec.agents.default
    changes: dict[str, object] = {
        "model": _model(spec.model, instance, config),
        "agent_id": spec.agent_id or DEFAULT_AGENT,
        "session_key": spec.session_key or session_key(run),
        "timeout": spec.timeout or timeout(agent, config),
    }
    if not spec.skills and instance.spec.skills:
        changes["skills"] = instance.spec.skills
    if spec.system_prompt is None and instance.spec.system_prompt is not None:
        changes["system_prompt"] = instance.spec.system_prompt
    box = sandbox.fill(spec.sandbox, agent.sandbox, policy)
    if box is not None:
        changes["sandbox"] = box
    return spec.model_copy(update=changes)


def session_key(run: AgentRun) -> str:
    """A conversation of its own for a run that names none."""
    return f"{run.spec.instance_ref}:{run.metadata.name or run.metadata.generate_name or 'run'}"


def timeout(agent: AgentConfig, config: ConfigSpec) -> str:
    """The longest time of a run that sets none, as a duration."""
    return agent.run_timeout or config.run_timeout


def _model(wanted: ModelSpec | None, instance: SympoziumInstance, config: ConfigSpec) -> ModelSpec:
    """Each part from the run, else from the instance, else from the installation.

    The installation's endpoint is left out where a Secret may name another (`OPENAI_BASE_URL` by envFrom):
    an explicit `baseURL` would win over it.
    """
    wanted, agent = wanted or ModelSpec(), instance.spec.agents.default
    has_secret = bool(instance.spec.auth_refs or wanted.auth_secret_ref)
    found = {
        "provider": wanted.provider or agent.provider or config.provider or DEFAULT_PROVIDER,
        "model": wanted.model or agent.model,
        "base_url": wanted.base_url or agent.base_url or (None if has_secret else config.base_url),
        "thinking": wanted.thinking or agent.thinking,
        "auth_secret_ref": wanted.auth_secret_ref,
    }
    return ModelSpec.model_validate({key: value for key, value in found.items() if value is not None})
