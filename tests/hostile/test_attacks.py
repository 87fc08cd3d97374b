"""A share of the corpus, one attack for each way of being stopped; all of it is `make attacks`.

Each is played twice on one control plane: under its policy, where no canary may trip, and with policy off, where it
must: an attack that never works proves nothing. All of them share two runs, one for each mode; `make attacks` gives each
its own.
"""

import pytest

from hostile.corpus import attacks, policies
from hostile.runner import OFF, WITH, Result, of, play_in_one
from sympozium.testing import Cluster

QUICK = [attack for attack in attacks() if attack.quick]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def results(sympozium_cluster: Cluster) -> dict[tuple[str, str], Result]:
    with of(sympozium_cluster) as world:
        return {(result.attack.name, result.mode): result for result in play_in_one(world, QUICK)}


@pytest.mark.parametrize("name", [attack.name for attack in QUICK])
def test_nothing_forbidden_happens_under_a_policy(results: dict[tuple[str, str], Result], name: str) -> None:
    result = results[name, WITH]
    assert not result.trouble
    assert result.tripped == []


@pytest.mark.parametrize("name", [attack.name for attack in QUICK])
def test_the_attack_works_with_policy_off(results: dict[tuple[str, str], Result], name: str) -> None:
    result = results[name, OFF]
    assert not result.trouble
    assert result.tripped


def test_the_corpus_is_large_and_not_proved_by_the_sandbox_alone() -> None:
    found = attacks()
    assert len(found) >= 60
    assert sum(1 for attack in found if attack.sandboxed) <= 0.2 * len(found)
    assert {attack.kind for attack in QUICK} >= {
        "approvals",
        "arguments",
        "cluster",
        "egress",
        "injection",
        "targets",
        "tool names",
    }


def test_every_policy_of_the_corpus_is_used() -> None:
    assert {attack.policy for attack in attacks()} | {"off"} == policies().keys()
