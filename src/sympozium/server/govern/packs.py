"""Teams of agents, and how each of them is."""

from typing import Any, Final

from sympozium.actions.packs import is_catalogue
from sympozium.kube.resources import Object
from sympozium.server.govern.sight import Key, Sight
from sympozium.server.models.govern import PackSummary, PersonaState

_PACKS: Final = "personapacks"
_SCHEDULES: Final = "sympoziumschedules"


async def packs(sight: Sight) -> list[PackSummary]:
    """By name, what is at work before the catalogue."""
    found = await sight.of(_PACKS)
    at_work: dict[str, list[str]] = {}
    for pack in await sight.beside(_PACKS):
        if pack["spec"].get("enabled"):
            at_work.setdefault(pack["metadata"]["name"], []).append(pack["metadata"]["namespace"])
    instances, runs = await sight.instances(), await sight.last_runs()
    schedules = await sight.beside_by_key(_SCHEDULES)

    def one(pack: Object) -> PackSummary:
        metadata, spec, status = pack["metadata"], pack["spec"], pack.get("status") or {}
        installed = {one["name"]: one for one in status.get("installedPersonas") or ()}
        namespace = metadata["namespace"]

        def persona(given: dict[str, Any]) -> PersonaState:
            made = installed.get(given["name"]) or {}
            key: Key = (namespace, made.get("instanceName") or "")
            schedule = schedules.get((namespace, made.get("scheduleName") or ""))
            instance = instances.get(key)
            return PersonaState(
                name=given["name"],
                display_name=given.get("displayName"),
                model=given.get("model") or spec.get("model"),
                skills=given.get("skills") or [],
                policy=given.get("policyRef") or spec.get("policyRef"),
                schedule=_times(given.get("schedule")),
                excluded=given["name"] in (spec.get("excludePersonas") or ()),
                instance=made.get("instanceName"),
                phase=((instance or {}).get("status") or {}).get("phase"),
                last_run=sight.summary(runs.get(key)),
                next_run=((schedule or {}).get("status") or {}).get("nextRunTime"),
            )

        return PackSummary(
            namespace=namespace,
            name=metadata["name"],
            description=spec.get("description"),
            category=spec.get("category"),
            version=spec.get("version"),
            enabled=bool(spec.get("enabled")),
            enabled_in=sorted(at_work.get(metadata["name"], [])),
            catalogue=is_catalogue(pack),
            phase=status.get("phase"),
            personas=[persona(given) for given in spec.get("personas") or ()],
            warnings=[
                f"{condition['type']}: {condition.get('message') or condition.get('reason')}"
                for condition in status.get("conditions") or ()
                if condition["status"] == "False"
            ],
        )

    order = sorted(
        found, key=lambda pack: (is_catalogue(pack), pack["metadata"]["name"], pack["metadata"]["namespace"])
    )
    return [one(pack) for pack in order]


def _times(schedule: dict[str, Any] | None) -> str | None:
    if not schedule:
        return None
    return schedule.get("cron") or f"@every {schedule.get('interval')}"
