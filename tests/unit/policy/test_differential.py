"""The gate against a plain reading of its contract, over random policies and calls.

`make differential` runs a million cases; here is a share of them. A difference prints the case and the seed.
"""

import os
import random

from tests.unit.policy.make import policy
from tests.unit.policy.reference import decide

from sympozium.api.shared import ToolPolicy
from sympozium.policy import Call, Effective, gate, offered, refusal

CASES = int(os.environ.get("SYMPOZIUM_DIFFERENTIAL", "8000"))
SEED = int(os.environ.get("SYMPOZIUM_DIFFERENTIAL_SEED", "20261127"))
CALLS = 40
"""Calls that each policy is asked about: making a policy costs more than asking it."""

TOOLS = ["execute_command", "read_file", "write_file", "edit_file", "list_directory", "fetch_url", "spawn_agent",
         "kubectl_get", "kubectl_delete", "a", "ab", "aab", "", "*", "[a]", "Read_File", "read_file\n"]  # fmt: skip
TARGETS = ["shell", "tools", "k8s-ops", "k8s", "a", "", "*"]
GLOBS = ["*", "read_*", "*_file", "kubectl_*", "*_*", "r*_f*e", "?", "??", "a*b", "*a*", "[ab]*", "[!a]*", "[a", "[a]",
         "]", "*]", "a?*", "**", "READ_FILE", "*e*", "k*t"]  # fmt: skip
ACTIONS = ["allow", "ask", "deny"]
CONDITIONS = {
    "true": lambda args, tool, target, run: True,
    "false": lambda args, tool, target, run: False,
    "args.path.startsWith('/etc')": lambda args, tool, target, run: args["path"].startswith("/etc"),
    "has(args.path) && args.path == '/x'": lambda args, tool, target, run: args.get("path") == "/x",
    "args.n > 3": lambda args, tool, target, run: args["n"] > 3,
    "args.flag": lambda args, tool, target, run: args["flag"],
    "tool == 'read_file' || target == 'shell'": lambda args, tool, target, run: tool == "read_file" or target == "shell",
    "run.depth > 0": lambda args, tool, target, run: run["depth"] > 0,
    "run.labels['team'] == 'a'": lambda args, tool, target, run: run["labels"]["team"] == "a",
    "args.list.exists(item, item == 'b')": lambda args, tool, target, run: "b" in args["list"],
}  # fmt: skip
ARGS = [{}, {"path": "/etc/passwd"}, {"path": "/x", "n": 4}, {"n": 3, "flag": True}, {"flag": False, "list": ["a", "b"]},
        {"flag": "yes", "list": []}, {"path": "", "n": -1, "flag": None}]  # fmt: skip
RUNS = [
    {"depth": 0, "labels": {}},
    {"depth": 1, "labels": {"team": "a"}},
    {"depth": 0, "labels": {"team": "b"}},
]
FEATURES = ["code-execution", "file-access", "browser-automation", "sub-agents"]


def some_rule(rand: random.Random) -> dict:
    rule = {
        "tool": rand.choice(GLOBS if rand.random() < 0.6 else [t for t in TOOLS if t]),
        "action": rand.choice(ACTIONS),
    }
    if rand.random() < 0.4:
        rule["target"] = rand.choice(GLOBS if rand.random() < 0.5 else [t for t in TARGETS if t])
    if rand.random() < 0.25:
        rule["when"] = rand.choice(list(CONDITIONS))
    return rule


def some_spec(rand: random.Random) -> dict:
    spec: dict = {"enforcement": rand.choice(["Enforce", "Enforce", "Enforce", "Audit"])}
    if rand.random() < 0.9:
        count = rand.choice([0, 1, 2, 3, 5, 8, 30])
        spec["toolGating"] = {
            "defaultAction": rand.choice(ACTIONS),
            "rules": [some_rule(rand) for _ in range(count)],
        }
    if rand.random() < 0.3:
        spec["featureGates"] = {rand.choice(FEATURES): rand.random() < 0.5 for _ in range(2)}
    return spec


def some_narrowing(rand: random.Random) -> dict:
    def globs() -> list[str]:
        return rand.sample([*GLOBS, *TOOLS], rand.choice([0, 0, 1, 2]))

    return {"allow": globs(), "deny": globs()}


def one_policy(rand: random.Random) -> int:
    """Compare the answers about one policy; returns how many."""
    specs = [some_spec(rand) for _ in range(rand.choice([1, 1, 2, 3]))]
    narrowings = [some_narrowing(rand) for _ in range(rand.choice([0, 0, 1, 2]))]
    named = [policy(f"p{index}", **spec) for index, spec in enumerate(specs)]
    held = Effective.of(named[0], parents=named[1:])
    narrowing = [ToolPolicy.model_validate(one) for one in narrowings]
    for _ in range(CALLS):
        tool, target = rand.choice(TOOLS), rand.choice(TARGETS)
        args, run = rand.choice(ARGS), rand.choice(RUNS)
        verdict = gate(Call(tool, target, args, run), held, narrowing)
        got = (verdict.action, verdict.audited.action if verdict.audited else None)
        wanted = decide(specs, narrowings, tool, target, args, run, CONDITIONS)
        case = (
            f"seed {SEED}: {specs=} {narrowings=} {tool=} {target=} {args=} {run=}: {verdict}, not {wanted}"
        )
        assert got == wanted, case
        assert verdict.rule, case
        assert verdict.reason, case
        # What is hidden from a model, or refused at admission, may not be what a call would get.
        if got[0] != "deny":
            assert offered(tool, [target], held, narrowing), case
            assert refusal(tool, held) is None, case
    return CALLS


def test_the_gate_says_what_a_plain_reading_of_the_contract_says() -> None:
    print(f"seed {SEED}, {CASES} cases")
    rand = random.Random(SEED)
    done = 0
    while done < CASES:
        done += one_policy(rand)
