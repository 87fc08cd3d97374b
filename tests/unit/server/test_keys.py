"""Sealing: what opens, what does not, and what a changed key does."""

import base64

import pytest
from hypothesis import given, strategies as st

from sympozium.kube import Client
from sympozium.kube.errors import ForbiddenError
from sympozium.server.problems import Problem
from sympozium.server.signin.keys import LOOK_AGAIN, Keys, of_secret

OLD, NEW = b"o" * 32, b"n" * 32


def encoded(**data: bytes) -> dict[str, str]:
    return {name.replace("_", "."): base64.b64encode(value).decode() for name, value in data.items()}


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_for_its_purpose_alone(data: bytes) -> None:
    keys = Keys([NEW])
    sealed = keys.seal("session", data)
    assert keys.open("session", sealed) == data
    assert keys.open("oidc", sealed) is None


def test_a_previous_key_still_opens_and_no_longer_seals() -> None:
    sealed = Keys([OLD]).seal("session", b"me")
    rotated = Keys([NEW, OLD])
    assert rotated.open("session", sealed) == b"me"
    assert Keys([OLD]).open("session", rotated.seal("session", b"me")) is None
    rotated.replace([NEW])
    assert rotated.open("session", sealed) is None


@pytest.mark.parametrize("damage", ["", "x", "é", "gAAAAA==", "A" * 10_000])
def test_what_is_not_ours_opens_as_nothing(damage: str) -> None:
    keys = Keys([NEW])
    assert keys.open("session", damage) is None
    sealed = keys.seal("session", b"me")
    if damage == sealed[-5]:
        damage = "y"
    assert keys.open("session", sealed[:-5] + damage + sealed[-4:]) is None


def test_without_a_key_nothing_is_sealed_and_the_words_name_the_secret() -> None:
    keys = Keys()
    assert not keys
    assert keys.open("session", Keys([NEW]).seal("session", b"me")) is None
    with pytest.raises(Problem, match=r"sympozium-system/sympozium-server has no session\.key") as refusal:
        keys.seal("session", b"me")
    assert refusal.value.status == 503


@pytest.mark.parametrize(
    ("data", "keys", "problem"),
    [
        (encoded(session_key=NEW), [NEW], ""),
        (encoded(session_key=NEW, session_key_previous=OLD), [NEW, OLD], ""),
        ({}, [], "there is no session.key"),
        (encoded(session_key_previous=OLD), [], "there is no session.key"),
        (encoded(session_key=b"short"), [], "session.key has 5 bytes"),
        ({"session.key": "!"}, [], "session.key is not base64"),
    ],
)
def test_a_secret_is_read_or_its_fault_is_named(
    data: dict[str, str], keys: list[bytes], problem: str
) -> None:
    assert of_secret(data)[0] == keys
    assert problem in of_secret(data)[1]
    assert bool(problem) == bool(of_secret(data)[1])


class Api:
    """Counts who reads the Secret."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.reads = 0

    async def find(self, *_: object) -> object:
        self.reads += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_secret_that_cannot_be_read_changes_nothing_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = Keys([NEW])
    api = Api(ForbiddenError(403, "Forbidden", "not for you"))
    for _ in range(3):
        await keys.look(api)  # type: ignore[arg-type] # all that is used of it
    assert keys.open("session", Keys([NEW]).seal("session", b"x")) == b"x"
    assert [record.getMessage() for record in caplog.records] == [
        "sessions: Secret sympozium-system/sympozium-server: not for you"
    ]


async def test_a_flood_of_cookies_that_do_not_open_is_no_flood_of_reads() -> None:
    now = 100.0
    keys, api = Keys(now=lambda: now), Api({"data": encoded(session_key=NEW)})
    client: Client = api  # type: ignore[assignment] # all that is used of it
    for _ in range(100):
        await keys.look_again(client)
    assert api.reads == 1
    now += LOOK_AGAIN
    await keys.look_again(client)
    assert api.reads == 2
    assert keys.open("session", Keys([NEW]).seal("session", b"x")) == b"x"
