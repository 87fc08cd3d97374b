"""The certificate in its Secret and the CA in the configurations, by a real client on the wire."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.kube.scripted import Api, serving
from tests.unit.webhook.held import MUTATING, SECRET, VALIDATING, Held, hooks

from sympozium.webhook import trust
from sympozium.webhook.certificates import Material

HOSTS = ["127.0.0.1", "sympozium-webhook"]


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def api(held: Held) -> AsyncIterator[Api]:
    async with serving(held) as api:
        yield api


def secret_of(material: Material) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value).decode() for key, value in material.to_data().items()}}


def data(held: Held) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in held.objects[SECRET]["data"].items()}


async def test_the_first_replica_writes_the_secret_and_the_next_takes_it(
    api: Api, held: Held, caplog
) -> None:
    caplog.set_level("INFO")
    async with api.client() as client:
        first = await trust.material(client, HOSTS)
        assert data(held) == first.to_data()
        assert held.objects[SECRET]["type"] == "kubernetes.io/tls"
        sent = held.writes[0].body
        assert (sent["apiVersion"], sent["kind"]) == ("v1", "Secret")
        assert sent["metadata"] == {
            "name": "sympozium-webhook-tls",
            "namespace": "sympozium-system",
            "labels": {"sympozium.ai/component": "webhook"},
        }
        assert await trust.material(client, HOSTS) == first
    assert len(held.writes) == 1
    assert said(caplog) == ["wrote a new certificate into Secret sympozium-webhook-tls"]


async def test_a_certificate_for_other_names_is_renewed_under_its_authority(api: Api, held: Held) -> None:
    async with api.client() as client:
        first = await trust.material(client, HOSTS)
        held.objects[SECRET]["metadata"]["labels"]["mine"] = "kept"
        second = await trust.material(client, [*HOSTS, "other.example"])
    assert second.certificate != first.certificate
    assert second.ca_bundle == first.ca_bundle
    assert data(held) == second.to_data()
    assert held.objects[SECRET]["metadata"]["labels"] == {"sympozium.ai/component": "webhook", "mine": "kept"}


@pytest.mark.parametrize("content", [{}, {"data": None}, {"data": {"tls.crt": ""}}])
async def test_a_secret_without_a_certificate_is_filled(api: Api, held: Held, content) -> None:
    held.put(SECRET, {"metadata": {}, **content})
    async with api.client() as client:
        made = await trust.material(client, HOSTS)
    assert data(held) == made.to_data()
    assert [asked.method for asked in held.writes] == ["PUT"]


async def test_a_lost_secret_leaves_the_serving_authority_trusted(api: Api, held: Held) -> None:
    async with api.client() as client:
        first = await trust.material(client, HOSTS)
        del held.objects[SECRET]
        second = await trust.material(client, HOSTS, serving=first)
    assert second.ca_bundle.endswith(first.ca_bundle)
    assert second.ca_bundle != first.ca_bundle


@pytest.mark.parametrize("there", [False, True])
async def test_who_loses_the_race_takes_what_the_winner_wrote(
    api: Api, held: Held, caplog, there: bool
) -> None:
    caplog.set_level("INFO")
    async with api.client() as client:
        winner = await trust.material(client, HOSTS)
        if there:
            held.put(SECRET, {"metadata": {}, "data": {}})
        else:
            del held.objects[SECRET]
        held.before = lambda: held.put(SECRET, secret_of(winner))
        assert await trust.material(client, HOSTS) == winner
    assert data(held) == winner.to_data()
    expected = "another replica has written sympozium-webhook-tls first: taking its certificate"
    assert said(caplog)[-1] == expected


async def test_a_race_without_end_is_given_up_and_said(api: Api, held: Held) -> None:
    held.put(SECRET, {"metadata": {}})
    held.before = lambda: held.put(SECRET, {"metadata": {}})
    async with api.client() as client:
        with pytest.raises(trust.TrustError) as error:
            await trust.material(client, HOSTS)
    assert str(error.value) == (
        "Secret sympozium-webhook-tls kept changing: another replica may serve under other names"
    )
    assert len(held.writes) == 5


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == trust.__name__]


def bundles(held: Held, path: str) -> list[str]:
    return [hook["clientConfig"]["caBundle"] for hook in held.objects[path]["webhooks"]]


async def test_each_hook_gets_the_bundle_and_a_second_look_writes_nothing(
    api: Api, held: Held, caplog
) -> None:
    caplog.set_level("INFO")
    right = base64.b64encode(b"pem").decode()
    held.put(MUTATING, hooks(None, right))
    held.put(VALIDATING, hooks("old"))
    async with api.client() as client:
        assert await trust.inject(client, b"pem") == []
        assert await trust.inject(client, b"pem") == []
    assert bundles(held, MUTATING) == [right, right]
    assert bundles(held, VALIDATING) == [right]
    assert [asked.method for asked in held.writes] == ["PATCH", "PATCH"]
    assert held.writes[0].headers["content-type"] == "application/json-patch+json"
    assert held.writes[0].body == [
        {"op": "test", "path": "/webhooks/0/name", "value": "h0"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": right},
    ]
    assert said(caplog) == [
        "wrote the CA into MutatingWebhookConfiguration sympozium",
        "wrote the CA into ValidatingWebhookConfiguration sympozium",
    ]


async def test_a_configuration_that_is_not_there_is_named_and_the_other_is_written(
    api: Api, held: Held
) -> None:
    held.put(VALIDATING, hooks("old"))
    async with api.client() as client:
        missing = await trust.inject(client, b"pem")
        assert missing == ["MutatingWebhookConfiguration sympozium is not there"]
        assert bundles(held, VALIDATING) == [base64.b64encode(b"pem").decode()]
        held.put(MUTATING, {"metadata": {}})
        del held.objects[VALIDATING]
        missing = await trust.inject(client, b"pem")
    assert missing == ["ValidatingWebhookConfiguration sympozium is not there"]


async def test_hooks_that_changed_places_are_not_written_into(api: Api, held: Held) -> None:
    held.put(MUTATING, hooks("old", "old"))
    held.put(VALIDATING, hooks("old"))

    def swap() -> None:
        held.objects[MUTATING]["webhooks"].reverse()
        held.before = lambda: None

    held.before = swap
    async with api.client() as client:
        missing = await trust.inject(client, b"pem")
        assert len(missing) == 1
        assert missing[0].startswith("MutatingWebhookConfiguration sympozium: ")
        assert "test failed" in missing[0]
        assert bundles(held, MUTATING) == ["old", "old"]
        assert bundles(held, VALIDATING) == [base64.b64encode(b"pem").decode()]
        assert await trust.inject(client, b"pem") == []
