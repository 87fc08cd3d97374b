"""What admission refuses in a policy, and what people are told is probably not meant."""

from pathlib import Path

import pytest
import yaml
from tests.unit.policy.make import gating, policy

import sympozium.catalog
from sympozium.api import SympoziumPolicy
from sympozium.policy.check import problems
from sympozium.policy.lint import lint


def wrong(**spec) -> dict[str, str]:
    found = problems(policy(**spec).spec)
    assert all(violation.instead for violation in found)
    return {violation.field: violation.message for violation in found}


def doubts(**spec) -> dict[str, str]:
    found = lint(policy(**spec))
    assert all(violation.instead for violation in found)
    return {violation.field: violation.message for violation in found}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("args.path.startsWith('/x') && (", "<input>:1:32: Syntax error"),
        ("user == 'x'", "<input>:1:1: undeclared reference to 'user'"),
        ("args.path +\n  'x' == nobody", "<input>:2:10: undeclared reference to 'nobody'"),
        ("'text'", "it must give true or false, and gives string"),
        ("tool.size()", "it must give true or false, and gives int"),
        ("tool.matches('(')", "<input>:1:14: invalid matches argument"),
    ],
)
def test_a_condition_that_cannot_be_compiled(expression: str, words: str) -> None:
    rules = gating({"tool": "a", "action": "deny", "when": "true"}, {"tool": "a", "action": "deny", "when": expression})  # fmt: skip
    found = wrong(toolGating=rules)
    assert list(found) == ["spec.toolGating.rules[1].when"]
    assert words in found["spec.toolGating.rules[1].when"]


def test_conditions_that_are_fine() -> None:
    for expression in ("args.force", "has(args.x) && args.x.y > 3", "run.trigger.kind == 'Manual'", "true"):
        assert wrong(toolGating=gating({"tool": "a", "action": "deny", "when": expression})) == {}


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("10.0.0.0/33", "is no CIDR"), ("a/b", "is no CIDR"), ("https://api.example.com", "is a URL"),
        ("*.example.com", "has a wildcard"), ("api.example.com:443", "has a port"), ("10.0.0.256", "is no IP address"),
        ("a_b.example.com", "is no DNS name"), ("-a.com", "is no DNS name"), ("1:2:3", "is no DNS name"), ("a b", "is no DNS name"),
    ],
)  # fmt: skip
def test_destinations_that_name_nothing(host: str, words: str) -> None:
    found = wrong(networkPolicy={"allowedEgress": [{"host": "ok.example"}, {"host": host}]})
    assert list(found) == ["spec.networkPolicy.allowedEgress[1].host"]
    assert words in found["spec.networkPolicy.allowedEgress[1].host"]
    assert repr(host) in found["spec.networkPolicy.allowedEgress[1].host"]


@pytest.mark.parametrize(
    ("host", "words", "instead"),
    [
        ("10.0.0.256", "is no IP address", "four numbers up to 255"),
        ("https://a.example", "is a URL", "the host alone, and its port in `port`"),
        ("*.a.example", "has a wildcard: names are compared whole", "each name by itself, or a CIDR"),
        ("10.0.0.0/33", "is no CIDR", "an address and a prefix, such as 10.0.0.0/8"),
        ("a.example:443", "has a port", "the host alone, and its port in `port`"),
        ("a_b.example", "is no DNS name, address or CIDR", "a name such as api.example.com"),
    ],
)
def test_what_to_write_instead_of_a_destination_that_names_nothing(
    host: str, words: str, instead: str
) -> None:
    (found,) = problems(policy(networkPolicy={"allowedEgress": [{"host": host}]}).spec)
    assert (found.message, found.instead) == (f"{host!r} {words}", instead)


@pytest.mark.parametrize(
    "host", ["a", "API.example.com.", "x.svc", "10.0.0.1", "10.0.0.7/8", "::1", "fd00::/8", "1password.com", "3.example"]
)  # fmt: skip
def test_destinations_that_are_fine(host: str) -> None:
    assert wrong(networkPolicy={"allowedEgress": [{"host": host, "port": 443}, {"host": host}]}) == {}


def test_amounts_and_times_that_leave_nothing() -> None:
    box = {"required": True, "maxCPU": "0", "maxMemory": "-1Gi"}
    assert wrong(sandboxPolicy=box, approvals={"timeout": "0s"}) == {
        "spec.sandboxPolicy.maxCPU": "0 leaves nothing: it must be more than 0",
        "spec.sandboxPolicy.maxMemory": "-1Gi leaves nothing: it must be more than 0",
        "spec.approvals.timeout": "0s leaves nobody time to decide: it must be more than 0",
    }
    assert (
        wrong(
            sandboxPolicy={"required": True, "maxCPU": "1m", "maxMemory": "1"}, approvals={"timeout": "1ms"}
        )
        == {}
    )


def test_gates_that_nobody_knows() -> None:
    assert wrong(featureGates={"teleport": True, "file-access": False}) == {"spec.featureGates[teleport]": "unknown feature gate"}  # fmt: skip


@pytest.mark.parametrize("registry", ["", "/", "https://ghcr.io", "ghcr.io/acme:v1", "ghcr.io/acme@sha256:0", "ghcr.io/acme/*", "ghcr.io//acme"])  # fmt: skip
def test_registries_that_hold_no_image(registry: str) -> None:
    found = wrong(imagePolicy={"allowedRegistries": ["ghcr.io", registry]})
    assert found == {
        "spec.imagePolicy.allowedRegistries[1]": f"{registry!r} is no registry: no image would be in it"
    }


@pytest.mark.parametrize("registry", ["ghcr.io", "ghcr.io/acme/", "localhost:5000/a", "docker.io/library"])
def test_registries_that_are_fine(registry: str) -> None:
    assert wrong(imagePolicy={"allowedRegistries": [registry]}) == {}


@pytest.mark.parametrize("name", ["default-policy", "restrictive-policy"])
def test_the_built_in_policies_have_nothing_against_them(name: str) -> None:
    file = Path(sympozium.catalog.__file__).parent / "policies" / f"{name}.yaml"
    built_in = SympoziumPolicy.model_validate(yaml.safe_load(file.read_text()))
    assert problems(built_in.spec) == []
    assert lint(built_in) == []


def rule(tool: str, action: str = "deny", **more) -> dict:
    return {"tool": tool, "action": action, **more}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (rule("*", "allow"), rule("execute_command")),
        (rule("read_*"), rule("read_file", target="shell")),
        (rule("read_*"), rule("read_f?le")),
        (rule("*_file"), rule("read_*_file")),
        (rule("*_file"), rule("[rw]*_file")),
        (rule("a[bc]"), rule("a[bc]")),
        (rule("a", target="k8s-*"), rule("a", target="k8s-ops", when="true")),
        (rule("a", target="*"), rule("a")),
    ],
)
def test_a_rule_that_is_never_reached(earlier: dict, later: dict) -> None:
    found = doubts(toolGating=gating(rule("zzz"), earlier, later))
    assert list(found) == ["spec.toolGating.rules[2]"]
    assert "is never reached: rules[1] " in found["spec.toolGating.rules[2]"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (rule("*", when="args.x == 1"), rule("execute_command")),
        (rule("read_*"), rule("rea*")),
        (rule("read_*"), rule("r[e]ad_x")),
        (rule("*_file"), rule("x*")),
        (rule("*_file"), rule("x_fil[e]")),
        (rule("a[bc]"), rule("a*")),
        (rule("a?"), rule("a*")),
        (rule("a", target="k8s-ops"), rule("a")),
        (rule("a", target="k8s-ops"), rule("a", target="k8s-*")),
        (rule("a"), rule("b")),
    ],
)
def test_a_rule_that_is_reached(earlier: dict, later: dict) -> None:
    assert doubts(toolGating=gating(earlier, later)) == {}


def test_only_the_first_that_shadows_is_named() -> None:
    found = doubts(toolGating=gating(rule("a*"), rule("ab*"), rule("abc")))
    assert found == {
        "spec.toolGating.rules[1]": "is never reached: rules[0] (a*: deny) takes all its calls",
        "spec.toolGating.rules[2]": "is never reached: rules[0] (a*: deny) takes all its calls",
    }


def test_rules_for_what_a_gate_or_a_target_takes_away() -> None:
    closed = {"featureGates": {"code-execution": False, "file-access": True}}
    found = doubts(toolGating=gating(rule("execute_command", "ask"), rule("read_file", "allow"), default="deny"), **closed)  # fmt: skip
    assert found == {
        "spec.toolGating.rules[0]": "is never reached: featureGates[code-execution] is false, which takes execute_command away"
    }
    assert doubts(toolGating=gating(rule("execute_command")), **closed) == {}
    found = doubts(toolGating=gating(rule("fetch_url", target="shell"), rule("fetch_url", target="t*")))
    assert found == {
        "spec.toolGating.rules[0].target": "fetch_url always executes in tools: the rule is never reached"
    }
    assert doubts(toolGating=gating(rule("execute_command", target="k8s-ops"), rule("k_x", target="k"))) == {}


@pytest.mark.parametrize(
    ("tool", "meant"), [("read_flie", "read_file"), ("executecommand", "execute_command"), ("Read_File", "read_file"),
     ("write-file", "write_file"), ("fetch_ur", "fetch_url")]
)  # fmt: skip
def test_names_that_are_misspelt(tool: str, meant: str) -> None:
    (found,) = lint(policy(toolGating=gating(rule(tool))))
    assert (found.field, found.instead) == ("spec.toolGating.rules[0].tool", f"{meant}, if that is meant")
    assert f"no built-in tool is called {tool}" in found.message


@pytest.mark.parametrize(
    "tool", ["kubectl_get", "my-skill_read", "read_*", "Read_*", "notes_write", "x[!a]?"]
)
def test_names_that_may_be_those_of_skills(tool: str) -> None:
    assert doubts(toolGating=gating(rule(tool))) == {}


def test_characters_that_look_like_others() -> None:
    found = doubts(toolGating=gating(rule("r\u0435ad_file"), rule("read file")))
    assert list(found) == ["spec.toolGating.rules[0].tool", "spec.toolGating.rules[1].tool"]
    assert "'\u0435' (CYRILLIC SMALL LETTER IE)" in found["spec.toolGating.rules[0].tool"]
    assert "' ' (SPACE)" in found["spec.toolGating.rules[1].tool"]


def test_rules_that_change_nothing() -> None:
    assert list(doubts(toolGating=gating(rule("a", "allow")))) == ["spec.toolGating.defaultAction"]
    for fine in (gating(rule("a", "allow"), default="deny"), gating(rule("a", "allow"), rule("b")), gating()):
        assert doubts(toolGating=fine) == {}


def test_an_image_that_its_own_policy_refuses() -> None:
    box = {"required": True, "defaultImage": "docker.io/x"}
    found = doubts(sandboxPolicy=box, imagePolicy={"allowedRegistries": ["ghcr.io"]})
    assert found == {
        "spec.sandboxPolicy.defaultImage": "docker.io/x is in no registry of imagePolicy.allowedRegistries: runs that get it are refused"
    }
    assert doubts(sandboxPolicy=box, imagePolicy={"allowedRegistries": ["docker.io"]}) == {}
    assert doubts(sandboxPolicy={"required": True}, imagePolicy={"allowedRegistries": ["ghcr.io"]}) == {}


def test_network_settings_without_effect() -> None:
    assert list(doubts(networkPolicy={"allowEventBus": False})) == ["spec.networkPolicy.allowEventBus"]
    open_ = {"denyAll": False, "allowEventBus": False, "allowedEgress": [{"host": "a"}]}
    assert list(doubts(networkPolicy=open_)) == ["spec.networkPolicy.allowedEgress"]
    twice = [{"host": "a", "port": 1}, {"host": "a"}, {"host": "A.", "port": 1}]
    assert doubts(networkPolicy={"allowedEgress": twice}) == {
        "spec.networkPolicy.allowedEgress[2]": "A. stands there twice"
    }
    assert doubts(networkPolicy={"denyAll": False}) == {}


def test_limits_of_sub_runs_without_effect() -> None:
    closed = {"featureGates": {"sub-agents": False}}
    assert list(doubts(subagentPolicy={"maxDepth": 1}, **closed)) == ["spec.subagentPolicy.maxDepth"]
    assert doubts(subagentPolicy={"maxDepth": 0}, **closed) == {}
    assert doubts(**closed) == {}
    assert list(doubts(subagentPolicy={"maxConcurrent": 0})) == ["spec.subagentPolicy.maxConcurrent"]
    assert doubts(subagentPolicy={"maxConcurrent": 0, "maxDepth": 0}) == {}
    assert doubts(subagentPolicy={"maxConcurrent": 1, "maxDepth": 1}) == {}


def test_approvals_that_nobody_is_asked_for() -> None:
    assert list(doubts(approvals={"timeout": "1h"})) == ["spec.approvals"]
    assert list(doubts(approvals={}, toolGating=gating(rule("a")))) == ["spec.approvals"]
    assert doubts(approvals={}, toolGating=gating(rule("a", "ask"))) == {}
    assert doubts(approvals={}, toolGating=gating(default="ask")) == {}


def test_providers_are_no_globs() -> None:
    assert doubts(modelPolicy={"allowedProviders": ["openai", "o*"], "allowedModels": ["a*"]}) == {
        "spec.modelPolicy.allowedProviders[1]": "'o*' is no glob: names of providers are compared exactly"
    }
