"""What a person can do with a client of their own, against a real API with our admission."""

from collections.abc import AsyncIterator

import pytest

from cluster.localkube_fixture import LocalKube, kube, ns
from cluster.test_webhook import CONTROLLER, approval, instance, run, token, webhook
from sympozium.actions import approvals, packs, runs, stop
from sympozium.actions.errors import MissingError, StaleError, UsageError
from sympozium.kube import Client
from sympozium.testing.resources import AGENT_RUN, PERSONA_PACK

__all__ = ["kube", "ns", "webhook"]

pytestmark = pytest.mark.usefixtures("webhook")


@pytest.fixture
async def client(kube: LocalKube) -> AsyncIterator[Client]:
    async with Client.connect(kube.kubeconfig) as made:
        yield made


def _status(kube: LocalKube, namespace: str, name: str, **status: object) -> None:
    """As the controllers write it: nobody else may."""
    path = AGENT_RUN.path(namespace, name, "status")
    answer = kube.ask(
        "PATCH",
        path,
        {"status": status},
        token=token(kube, CONTROLLER),
        Content_Type="application/merge-patch+json",
    )
    assert answer.status_code == 200, answer.text


async def test_a_run_is_retried_with_its_spec_and_none_of_its_causes(
    kube: LocalKube, client: Client, ns: str
) -> None:
    instance(kube, ns)
    first = await runs.start(
        client,
        ns,
        runs.Wanted(
            "i", "look", model="m2", timeout="7m", labels={"team": "x", "sympozium.ai/schedule": "s"}
        ),
    )
    name = first["metadata"]["name"]
    await runs.suspend(client, ns, name)
    with pytest.raises(StaleError, match="has not ended"):
        await runs.retry(client, ns, name)
    _status(kube, ns, name, phase="Failed", reason="Error")

    again = await runs.retry(client, ns, name)

    assert again["metadata"]["name"] != name
    assert again["metadata"]["labels"] == {"team": "x", "sympozium.ai/retry-of": name}
    left = {
        key: value for key, value in first["spec"].items() if key not in ("sessionKey", "trigger", "suspend")
    }
    assert {key: again["spec"].get(key) for key in left} == left
    assert again["spec"]["sessionKey"] == f"i:{again['metadata']['name']}"
    assert again["spec"]["trigger"]["kind"] == "Manual"
    assert "suspend" not in again["spec"]


async def test_a_run_that_has_ended_takes_no_order(kube: LocalKube, client: Client, ns: str) -> None:
    instance(kube, ns)
    run(kube, ns)
    assert (await runs.suspend(client, ns, "r"))["spec"]["suspend"] is True
    assert (await runs.resume(client, ns, "r"))["spec"]["suspend"] is False
    assert (await runs.cancel(client, ns, "r"))["spec"]["cancel"] is True
    _status(kube, ns, "r", phase="Cancelled")
    for order in (runs.suspend, runs.resume, runs.cancel):
        with pytest.raises(StaleError, match="has ended already: Cancelled"):
            await order(client, ns, "r")
        with pytest.raises(MissingError, match="no agentrun 'none'"):
            await order(client, ns, "none")


async def test_a_decision_is_about_the_call_that_was_shown(kube: LocalKube, client: Client, ns: str) -> None:
    name = approval(kube, ns, token(kube, CONTROLLER))
    with pytest.raises(StaleError, match="look again before you decide"):
        await approvals.decide(client, ns, name, "Approved", args_digest="sha256:" + "1" * 64)
    assert approvals.decision_of(await approvals.find(client, ns, name)) == ""
    decided = await approvals.decide(
        client, ns, name, "Approved", args_digest="sha256:" + "0" * 64, comment="fine", scope="run"
    )
    assert decided["status"]["decision"] == "Approved"
    assert decided["status"]["scope"] == "run"
    assert decided["status"]["comment"] == "fine"
    assert decided["status"]["decidedBy"]
    with pytest.raises(StaleError, match="already decided: Approved by "):
        await approvals.decide(client, ns, name, "Denied")
    with pytest.raises(MissingError):
        await approvals.decide(client, ns, "none", "Denied")


async def test_a_pack_of_the_catalogue_is_copied_with_its_settings(
    kube: LocalKube, client: Client, ns: str
) -> None:
    with pytest.raises(UsageError, match="has no persona nobody"):
        await packs.enable(client, ns, "platform-team", {"excludePersonas": ["nobody"]})
    assert kube.find(PERSONA_PACK, "platform-team", ns) is None
    made = await packs.enable(client, ns, "platform-team", {"model": "m9", "policyRef": None})
    assert made["spec"]["enabled"] is True
    assert made["spec"]["model"] == "m9"
    assert "policyRef" not in made["spec"]
    changed = await packs.enable(client, ns, "platform-team", {"model": "m10"})
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["spec"]["model"] == "m10"
    assert (await packs.disable(client, ns, "platform-team"))["spec"]["enabled"] is False
    with pytest.raises(MissingError):
        await packs.disable(client, ns, "none")


async def test_what_is_to_be_stopped_must_be_said(client: Client) -> None:
    for which in (
        stop.Which("default"),
        stop.Which("default", ["r"], everything=True),
        stop.Which(None, ["r"]),
        stop.Which("default", selector=" "),
    ):
        with pytest.raises(UsageError):
            await stop.stop(client, which, seconds=0)


async def test_a_name_that_is_not_there_changes_nothing(kube: LocalKube, client: Client, ns: str) -> None:
    instance(kube, ns)
    run(kube, ns)
    with pytest.raises(MissingError, match="nothing was changed"):
        await stop.stop(client, stop.Which(ns, ["r", "none"]), seconds=0)
    assert "suspend" not in kube.get(AGENT_RUN, "r", ns)["spec"]
