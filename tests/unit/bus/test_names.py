"""Subjects, users and JWTs: exactly what a container may touch."""

import json

import pytest

from sympozium.bus import jwt, nkey
from sympozium.bus.credentials import Credentials, CredentialsError, User
from sympozium.bus.keyring import Keyring
from sympozium.bus.messages import new_key
from sympozium.bus.subjects import RunRef

RUN = RunRef("team.a", "run.one", "uid-1")
KEYRING = Keyring.generate()


def test_names_with_dots_are_one_token_and_never_meet_others() -> None:
    assert RUN.root == "sympozium.runs.team_a.run_one"
    assert RunRef("team", "a.run.one", "u").root != RUN.root
    assert RUN.live("agent").startswith("sympozium.live.")


def test_a_run_user_may_touch_its_own_and_nothing_else() -> None:
    issuer = nkey.new_seed("account")
    claims = {s: jwt.payload(KEYRING.run_user(RUN, s, issuer).jwt) for s in ("agent", "tools")}
    agent, tools = (claims[source]["nats"] for source in ("agent", "tools"))
    root = "sympozium.runs.team_a.run_one"
    assert agent["pub"]["allow"] == [f"{root}.events.agent", "sympozium.live.team_a.run_one.agent"]
    assert agent["sub"]["allow"] == ["_INBOX.uid-1-agent.>"]
    assert tools["pub"]["allow"] == [
        f"{root}.events.tools",
        "sympozium.live.team_a.run_one.tools",
        f"{root}.requests.approval",
        f"{root}.requests.spawn",
        f"{root}.requests.schedule",
        f"{root}.requests.memory",
        "$JS.API.CONSUMER.MSG.NEXT.RUNS.control-tools-uid-1",
        "$JS.ACK.RUNS.control-tools-uid-1.>",
    ]
    assert tools["sub"]["allow"] == ["_INBOX.uid-1-tools.>"]
    for found in claims.values():
        assert found["iss"] == nkey.public(issuer)
        assert found["nats"]["issuer_account"] == nkey.public(KEYRING.account)


def test_an_empty_list_of_subjects_permits_nothing() -> None:
    token = jwt.user(nkey.new_seed("user"), "nobody", issuer_seed=KEYRING.account, publish=[], subscribe=[])
    nats = jwt.payload(token)["nats"]
    assert nats["pub"] == {"deny": [">"]} == nats["sub"]


def test_signing_keys_of_an_account_are_listed() -> None:
    key = nkey.public(nkey.new_seed("account"))
    with_key = jwt.account(KEYRING.account, operator_seed=KEYRING.operator, signing_keys=[key])
    assert jwt.signing_keys(with_key) == {key}
    assert jwt.signing_keys(jwt.account(KEYRING.account, operator_seed=KEYRING.operator)) == frozenset()


def test_a_keyring_survives_its_secret() -> None:
    assert Keyring.from_secret(json.loads(json.dumps(KEYRING.secret()))) == KEYRING
    with pytest.raises(KeyError, match="account"):
        Keyring.from_secret({k: v for k, v in KEYRING.secret().items() if k != "account.seed"})


def credentials() -> Credentials:
    issuer = nkey.new_seed("account")
    user = KEYRING.run_user(RUN, "tools", issuer)
    return Credentials("nats://h:1", RUN, "tools", user, new_key(), KEYRING.controller_key.public_key())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("url", None, "url cannot be read"),
        ("user.creds", "nothing", "user.creds"),
        ("signing.key", "AAAA", "broken"),
        ("controller.pub", "*", "broken"),
        ("run.json", "{}", "namespace"),
        ("run.json", "[", "broken"),
    ],
)
def test_broken_credentials_name_what_is_broken(tmp_path, name: str, content: str | None, words: str) -> None:
    for file, data in credentials().files().items():
        (tmp_path / file).write_bytes(data)
    Credentials.load(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(CredentialsError, match=words):
        Credentials.load(tmp_path)


def test_a_user_survives_its_creds_file() -> None:
    user = KEYRING.reader_user()
    assert User.parse(user.creds) == user
