"""Keys and host names of agents' endpoints."""

import pytest

from sympozium.api.base import Object
from sympozium.api.endpoint import APISERVER, LABEL_ENDPOINT, digest, is_allowed, key_problem, protocol_of

KEY = "0123456789abcdef"


def test_a_digest_is_of_one_key_of_one_agent_in_one_installation() -> None:
    made = digest(b"i", "ns", "a", KEY)
    assert made == digest(b"i", "ns", "a", KEY)
    others = [
        (b"j", "ns", "a", KEY),
        (b"i", "n", "sa", KEY),
        (b"i", "ns", "b", KEY),
        (b"i", "ns", "a", KEY + "0"),
    ]
    assert made not in {digest(*other) for other in others}


@pytest.mark.parametrize("key", ["", KEY[:15], KEY + " x", KEY + "\n", KEY + "ä"])
def test_what_is_no_key(key: str) -> None:
    assert key_problem(key)
    assert not key_problem(KEY)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("bot.x.org", True), ("a.b.x.org", True), ("x.org", False), ("botx.org", False), ("one.y.org", True), ("y.org", False)],
)  # fmt: skip
def test_names_are_allowed_beneath_a_name(name: str, *, allowed: bool) -> None:
    assert is_allowed(name, ["*.x.org", "one.y.org"]) is allowed


def test_a_label_that_somebody_wrote_makes_no_run_one_of_a_request() -> None:
    run: Object = {"metadata": {"labels": {LABEL_ENDPOINT: "a2a"}}, "spec": {"trigger": {"kind": "API"}}}
    assert protocol_of(run) is None
    run["spec"]["trigger"]["user"] = "system:serviceaccount:team:bot"
    assert protocol_of(run) is None
    run["spec"]["trigger"]["user"] = APISERVER
    assert protocol_of(run) == "a2a"
