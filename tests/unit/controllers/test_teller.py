"""Where the traces of a run go, and what keeps them."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from sympozium.api.config import ConfigSpec
from sympozium.controllers.context import MissingError
from sympozium.controllers.run.port import Ref, Stored
from sympozium.controllers.run.trace.teller import Teller
from sympozium.policy import Effective
from sympozium.telemetry.otlp import Target
from sympozium.telemetry.spans import Resource, Span
from unit.controllers.make import instance, policy, run
from unit.controllers.test_story import CAUSE, WHOLE

REF = Ref("team", "r", "uid-r")
OWN = "http://otel:4318"
NAMED = {"allowedEgress": [{"host": "otel", "port": 4318}]}


class Kept:
    """A process's traces that keeps what it is given."""

    def __init__(self, target: Target | None = None) -> None:
        self.target = target
        self.sent: list[tuple[Target, Resource, str]] = []
        self.kept: set[bool] = set()

    def send(self, target: Target, resource: Resource, span: Span, *, kept: bool) -> None:
        self.sent.append((target, resource, span.name))
        self.kept.add(kept)


def teller(
    kept: Kept | None,
    observability: dict[str, Any] | None,
    config: dict[str, Any] | None = None,
    **secrets: dict[str, str],
) -> Teller:
    async def find(_resource: object, name: str, namespace: str) -> dict[str, Any] | None:
        data = secrets.get(f"{namespace}_{name}")
        return {"data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}} if data else None

    more = {"observability": observability} if observability else {}
    found = instance(**more)
    context: Any = SimpleNamespace(
        instance=lambda *_: found, effective=lambda *_: Effective.of(policy(networkPolicy=NAMED)), system_namespace="system",
        config=lambda: ConfigSpec.model_validate({"observability": config} if config else {}),
        client=SimpleNamespace(find=find),
    )  # fmt: skip
    return Teller(context, kept, now=lambda: 0)  # type: ignore[arg-type]


async def whole(one: Teller, annotation: str = CAUSE) -> str:
    """Tell a run whose events came before it was known where to; returns why nothing is sent."""
    obj = run()
    obj.metadata.annotations["sympozium.ai/traceparent"] = annotation
    for number, event in enumerate(WHOLE):
        one.take(REF, Stored(number + 1, event))
    why = await one.open(REF, obj)
    one.ended(REF, "Succeeded", "Completed")
    return why


async def test_headers_are_read_from_the_secret_of_whoever_named_the_endpoint() -> None:
    own = {
        "enabled": True,
        "otlpEndpoint": OWN,
        "headersSecretRef": "h",
        "headers": {"a": "1"},
        "serviceName": "s",
    }
    secrets = {"team_h": {"Authorization": "theirs\n"}, "system_h": {"Authorization": "ours"}}
    kept = Kept()
    assert await whole(teller(kept, own, **secrets)) == ""
    targets = {target for target, _, _ in kept.sent}
    assert targets == {Target(OWN, (("Authorization", "theirs"), ("a", "1")), guarded=True)}
    assert kept.kept == {False}  # others of the kind may take its place
    assert {dict(resource.attributes)["service.name"] for _, resource, _ in kept.sent} == {"s"}
    assert len(kept.sent) == 6
    kept = Kept()
    installed = {"enabled": True, "otlpEndpoint": OWN, "headersSecretRef": "h"}
    assert await whole(teller(kept, None, installed, **secrets)) == ""
    assert {target for target, _, _ in kept.sent} == {Target(OWN, (("Authorization", "ours"),))}
    assert kept.kept == {True}


async def test_the_environments_endpoint_has_the_environments_headers() -> None:
    kept = Kept(Target("http://env:4318", (("key", "k"),), "/ca"))
    assert await whole(teller(kept, {"enabled": True})) == ""
    assert {target for target, _, _ in kept.sent} == {kept.target}


@pytest.mark.parametrize(
    ("secrets", "words"), [({}, "Secret h"), ({"team_h": {"Host": "inner"}}, "Host")]
)  # fmt: skip
async def test_what_keeps_traces_is_said(secrets: dict[str, Any], words: str) -> None:
    kept = Kept()
    own = {"enabled": True, "otlpEndpoint": OWN, "headersSecretRef": "h"}
    assert words in await whole(teller(kept, own, **secrets))
    assert kept.sent == []


async def test_nobody_wants_any_and_a_caller_that_keeps_none() -> None:
    kept = Kept(Target(OWN))
    assert await whole(teller(kept, {"enabled": False})) == ""
    assert await whole(teller(kept, None), CAUSE[:-1] + "0") == ""
    assert await whole(teller(kept, {"enabled": True, "samplingRatio": "0.0"})) == ""
    assert kept.sent == []
    assert await whole(teller(None, {"enabled": True})) == ""


async def test_an_instance_that_is_gone_is_said() -> None:
    one = teller(Kept(), {"enabled": True})

    def gone(*_: object) -> None:
        raise MissingError("SympoziumInstance sre is not in namespace team")

    one.context.instance = gone  # type: ignore[misc,assignment]
    assert "SympoziumInstance sre" in await whole(one)
    assert not one.sends(REF)
