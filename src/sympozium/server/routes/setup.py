"""Setting up, the doctor, and settings: `/api/v1/setup`, `/api/v1/doctor`, `/api/v1/settings`.

To try an endpoint is to make this server send requests where the caller says. So it is for those alone who may decide
where every agent of the installation sends its requests: who may update the SympoziumConfig. The address of a model may
come out of a Secret that a caller wrote, so the same holds for looking at what is configured.
"""

import os
from typing import Annotated, Final

from fastapi import APIRouter, Query as Parameter

from sympozium import __version__
from sympozium.actions import doctor, endpoints, nodemodels, setup
from sympozium.actions.setup import Choice
from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import ForbiddenError, KubeError
from sympozium.resources import CONFIGS
from sympozium.server.access import Attributes, Caller, CallerOf
from sympozium.server.models import setup as models
from sympozium.server.parts import Parts, PartsOf

router = APIRouter(tags=["setup"])
Namespace = Annotated[str, Parameter(min_length=1, max_length=253)]
_CONFIGURE: Final = Attributes("update", CONFIGS.plural, SYSTEM_NAMESPACE, CONFIG)


@router.get("/setup")
async def get_setup(caller: CallerOf, parts: PartsOf, namespace: Namespace = "default") -> models.SetUp:
    """How far one has come in a namespace, and which model endpoints there are to choose from."""
    progress = await setup.progress(caller.kube, namespace)
    now, may = progress.model, await caller.may(_CONFIGURE)
    on_nodes, not_looked = await _on_nodes(parts) if may else ([], [])
    found = await setup.found(now, os.environ, on_nodes) if may else []
    return models.SetUp(
        done=progress.done,
        model=models.ConfiguredModel(
            provider=now.provider, model=now.model, baseURL=now.base_url, key_set=now.key_set, readable=now.readable
        ),
        may_configure=may,
        found=[
            models.FoundEndpoint(
                source=one.source, baseURL=one.base_url, provider=one.provider, models=list(one.models),
                key_set=bool(one.key) and one.key != endpoints.NO_KEY, problem=one.problem,
                node=one.node,
            )
            for one in found
        ],
        not_looked=not_looked,
        packs=progress.packs,
        runs=progress.runs,
    )  # fmt: skip


async def _on_nodes(parts: Parts) -> tuple[list[endpoints.Found], list[str]]:
    """What the node probes found, and what they did not tell. This server asks as itself: it is a pod, the caller is not."""
    if not parts.settings.node_probe:
        return [], []
    try:
        reports = await nodemodels.directly(parts.kube)
    except KubeError as exc:
        return [], [f"the node probes are not known: {exc}"]
    return nodemodels.found(reports), nodemodels.untold(reports)


@router.post("/setup/try")
async def try_endpoint(caller: CallerOf, wanted: models.TryEndpoint) -> models.Tried:
    """List the models of an endpoint and make one call of a few tokens. For those who may change the model."""
    await caller.require(_CONFIGURE)
    key = wanted.key
    if key is None:
        key = await _known_key(caller, wanted.base_url, wanted.namespace) or ""
    trial = await endpoints.attempt(wanted.base_url, key, wanted.model)
    answer = trial.answer
    return models.Tried(
        models=list(trial.models),
        answer=models.TriedAnswer(model=answer.model, text=answer.text, ms=answer.ms, tokens=answer.tokens)
        if answer
        else None,
        problem=trial.problem,
        cure=trial.cure,
    )


@router.post("/setup")
async def choose_model(caller: CallerOf, wanted: models.ChooseModel) -> models.Chosen:
    """Write the model of the installation: Secrets and SympoziumConfig, as the caller."""
    await caller.require(_CONFIGURE)
    key = wanted.key
    if key is None:
        key = await _known_key(caller, wanted.base_url, wanted.namespace)
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    choice = Choice(wanted.base_url, wanted.provider, wanted.model, key)
    return models.Chosen(written=await setup.save(caller.kube, choice, [wanted.namespace]), warnings=warnings)


async def _known_key(caller: Caller, base_url: str, namespace: str) -> str | None:
    """The key that goes with exactly this address: the caller's Secret's, else of this server's environment."""
    now = await setup.configured(caller.kube, namespace)
    if now.key and now.base_url.rstrip("/") == base_url.rstrip("/"):
        return now.key
    return endpoints.key_of(base_url, os.environ)


@router.get("/doctor")
async def get_doctor(caller: CallerOf, parts: PartsOf, namespace: Namespace = "default") -> models.Checks:
    """What an installation needs, looked at as the caller. What takes pods is tried by `sympozium doctor` alone; of network
    policies the last result is told here.
    """
    await caller.require(Attributes("get", CONFIGS.plural, SYSTEM_NAMESPACE, CONFIG))
    left_out = {*doctor.STARTS_PODS, *(() if await caller.may(_CONFIGURE) else (doctor.MODEL,))}
    chosen = [check for check in doctor.CHECKS if check[0] not in left_out]
    chosen.append((doctor.NETWORK, doctor.last_probe))
    found = [_check(name, finding) async for name, finding in doctor.examine(caller.kube, namespace, chosen)]
    unready = parts.unready()
    words = f"waits for: {', '.join(unready)}" if unready else "has read all that it answers from"
    own = doctor.Finding(not unready, words, "see the log of the API server" if unready else "")
    return models.Checks(checks=[*found, _check("API server of Sympozium", own)])


def _check(name: str, found: doctor.Finding) -> models.Check:
    level: models.Level = "unknown" if found.well is None else "ok" if found.well else "failed"
    return models.Check(name=name, ok=found.well, level=level, detail=found.what, cure=found.cure)


@router.get("/settings")
async def get_settings(caller: CallerOf, parts: PartsOf) -> models.Settings:
    """Versions, health and the SympoziumConfig, the last read as the caller."""
    version = await caller.kube.request("GET", "/version")
    try:
        config = await caller.kube.find(CONFIGS, CONFIG, SYSTEM_NAMESPACE)
    except ForbiddenError:
        config = None
    return models.Settings(
        version=__version__,
        kubernetes=str(version["gitVersion"]),
        server=parts.kube.access.server,
        bus_connected=parts.bus.connected,
        unready=parts.unready(),
        config=config,
    )
