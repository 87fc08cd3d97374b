import pytest
from tests.unit.webhook.world import SYSTEM, World, review

from sympozium.api.shared import RBACRule, SkillRef
from sympozium.api.skillpack import Sidecar
from sympozium.webhook import shapes

AGENTS = {"default": {"model": "m"}}
SKILLS = [{"name": "s", "content": "text"}]
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def fields(violations) -> list[str]:
    return [violation.field for violation in violations]


@pytest.mark.parametrize(
    "name",
    ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONHOME", "GLIBC_TUNABLES", "SYMPOZIUM_HOME", "KUBERNETES_SERVICE_HOST", "", "A=B", "1A", "a b", "ä"],
)  # fmt: skip
def test_variables_that_are_none_or_not_theirs(name: str) -> None:
    assert fields(shapes.environment({"OK": "1", name: "x"}, "spec.env")) == [f"spec.env[{name}]"]


def test_other_variables_are_free() -> None:
    names = ["A", "_a", "a.b-c", "OPENAI_BASE_URL", "HTTPS_PROXY", "PATH", "MY_LD_PRELOAD", "BUILD_PYTHON"]
    assert shapes.environment(dict.fromkeys(names, "x"), "p") == []


@pytest.mark.parametrize(
    ("text", "good"), [(None, True), ("1ns", True), ("8760h", True), ("0s", False), ("0", False), ("8760h1s", False), ("99999999999999h", False)],
)  # fmt: skip
def test_times_are_more_than_nothing_and_no_more_than_a_year(text, good) -> None:
    assert (shapes.timeout(text, "spec.timeout") == []) is good


def refs(*given: dict) -> list[SkillRef]:
    return [SkillRef.model_validate(one) for one in given]


def test_a_skill_is_listed_once() -> None:
    given = refs({"skillPackRef": "a"}, {"configMapRef": "a"}, {"skillPackRef": "b"}, {"skillPackRef": "a", "params": {"x": "1"}}, {"configMapRef": "a"})  # fmt: skip
    found = shapes.skills(given, "spec.skills")
    assert fields(found) == ["spec.skills[3].skillPackRef", "spec.skills[4].configMapRef"]
    assert found[0].message == "is spec.skills[0] already"


def test_parameters_that_would_be_one_variable() -> None:
    given = refs({"skillPackRef": "a", "params": {"a-b": "1", "c": "2", "A_B": "3"}})
    found = shapes.skills(given, "spec.skills")
    assert fields(found) == ["spec.skills[0].params[A_B]"]
    assert "SKILL_A_B, as a-b is" in found[0].message


def rule(**changes) -> RBACRule:
    return RBACRule.model_validate(RULE | changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"apiGroups": []}, "p[1].apiGroups"),
        ({"resources": []}, "p[1].resources"),
        ({"verbs": []}, "p[1].verbs"),
        ({"verbs": ["get", "impersonate"]}, "p[1].verbs"),
        ({"resources": ["pods", "serviceaccounts/token"]}, "p[1].resources"),
    ],
)
def test_rules_that_no_skill_can_have(changes, field) -> None:
    assert fields(shapes.rules([rule(), rule(**changes)], "p")) == [field]
    assert shapes.rules([rule()], "p") == []


def test_rules_multiplied_out_end_somewhere() -> None:
    wide = rule(apiGroups=[str(n) for n in range(100)], resources=[str(n) for n in range(1000)], verbs=[str(n) for n in range(1000)])  # fmt: skip
    assert len(shapes.atoms([wide], most=10)) == 11
    assert len(shapes.atoms([rule(), rule()], most=10)) == 1
    assert len(shapes.atoms([rule(verbs=["a", "b"])], most=2)) == 2


def box(**sidecar) -> dict:
    return {"skills": SKILLS, "sidecar": {"image": "i", **sidecar}}


MANY = {"apiGroups": [""], "resources": [f"r{n}" for n in range(1001)], "verbs": ["get"]}
WRONG = {
    "taken": ("SkillPack", box(secretRef="s", secretMountPath="/var/run/secrets/x"), "spec.sidecar.secretMountPath"),
    "taken whole": ("SkillPack", box(secretRef="s", secretMountPath="/run/sympozium/"), "spec.sidecar.secretMountPath"),
    "above": ("SkillPack", box(secretRef="s", secretMountPath="/run"), "spec.sidecar.secretMountPath"),
    "root": ("SkillPack", box(secretRef="s", secretMountPath="/"), "spec.sidecar.secretMountPath"),
    "dots": ("SkillPack", box(secretRef="s", secretMountPath="/a/../proc"), "spec.sidecar.secretMountPath"),
    "memory": ("SkillPack", box(resources={"cpu": "1", "memory": "0"}), "spec.sidecar.resources.memory"),
    "rule": ("SkillPack", box(rbac=[RULE | {"verbs": []}]), "spec.sidecar.rbac[0].verbs"),
    "cluster rule": ("SkillPack", box(clusterRBAC=[RULE | {"verbs": []}]), "spec.sidecar.clusterRBAC[0].verbs"),
    "rights": ("SkillPack", box(rbac=[MANY]), "spec.sidecar.rbac"),
    "env": ("SympoziumInstance", {"agents": {"default": {"model": "m", "env": {"LD_PRELOAD": "x"}}}}, "spec.agents.default.env[LD_PRELOAD]"),
    "time": ("SympoziumInstance", {"agents": {"default": {"model": "m", "runTimeout": "0s"}}}, "spec.agents.default.runTimeout"),
    "twice": ("SympoziumInstance", {"agents": AGENTS, "skills": [{"skillPackRef": "a"}] * 2}, "spec.skills[1].skillPackRef"),
    "run env": ("AgentRun", {"instanceRef": "i", "task": "t", "env": {"PYTHONPATH": "x"}}, "spec.env[PYTHONPATH]"),
    "run time": ("AgentRun", {"instanceRef": "i", "task": "t", "timeout": "0s"}, "spec.timeout"),
    "run twice": ("AgentRun", {"instanceRef": "i", "task": "t", "skills": [{"skillPackRef": "a"}] * 2}, "spec.skills[1].skillPackRef"),
    "run request": (
        "AgentRun",
        {"instanceRef": "i", "task": "t", "sandbox": {"enabled": False, "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}},
        "spec.sandbox.resources.requests.cpu",
    ),
    "params": (
        "PersonaPack",
        {"personas": [{"name": "p", "systemPrompt": "s", "skills": ["a"]}], "skillParams": {"a": {"x-y": "1", "x_y": "2"}}},
        "spec.skillParams[a][x_y]",
    ),
}  # fmt: skip


@pytest.fixture
def world() -> World:
    world = World()
    world.put("SympoziumInstance", "ns", "i", {"agents": AGENTS})
    world.put("SkillPack", "ns", "a", {"skills": SKILLS})
    return world


@pytest.mark.parametrize("case", WRONG)
async def test_it_is_refused_where_it_is_written(world: World, case: str) -> None:
    kind, spec, field = WRONG[case]
    answer = await world.admit(review(kind, user="admin", **spec))
    assert (answer.code, [cause.field for cause in answer.causes]) == (422, [field])


@pytest.mark.parametrize("path", ["/secrets/x", "/runner", "/device", "/etc/app", "/var/run/app"])
async def test_other_paths_of_a_secret_are_free(world: World, path: str) -> None:
    spec = box(secretRef="s", secretMountPath=path)
    answer = await world.admit(review("SkillPack", user="admin", **spec))
    assert (answer.allowed, answer.warnings) == (True, ())
    answer = await world.admit(review("SkillPack", user="admin", **box(secretMountPath=path)))
    assert answer.warnings == ("spec.sidecar.secretMountPath: has no effect without secretRef",)


async def test_policies_of_the_installation_that_are_not_there_are_a_warning(world: World) -> None:
    answer = await world.admit(
        review("SympoziumConfig", name="default", namespace=SYSTEM, floorPolicyRef="later")
    )
    assert answer.allowed
    assert [warning.split(": ")[0] for warning in answer.warnings] == ["spec.floorPolicyRef"]
    answer = await world.admit(
        review("SympoziumConfig", name="default", namespace=SYSTEM, defaultPolicyRef="later")
    )
    assert [warning.split(": ")[0] for warning in answer.warnings] == ["spec.defaultPolicyRef"]


def test_rules_say_what_is_wrong_with_them() -> None:
    given = [rule(verbs=[], apiGroups=[]), rule(verbs=["impersonate"], resources=["serviceaccounts/token"])]
    assert {violation.field: violation.message for violation in shapes.rules(given, "p")} == {
        "p[0].apiGroups": "names nothing: a rule needs groups, resources and verbs",
        "p[0].verbs": "names nothing: a rule needs groups, resources and verbs",
        "p[1].verbs": "impersonate: no skill may act as somebody else",
        "p[1].resources": "serviceaccounts/token: no skill may mint tokens of others",
    }


@pytest.mark.parametrize(
    ("mount", "field"),
    [
        ({"hostPath": "/dev", "mountPath": "/dev"}, None),
        ({"hostPath": "/run/udev", "mountPath": "/run/udev"}, None),
        ({"hostPath": "/a/../b", "mountPath": "/host/b"}, "hostPath"),
        ({"hostPath": "/a", "mountPath": "/"}, "mountPath"),
        ({"hostPath": "/a", "mountPath": "/run"}, "mountPath"),
        ({"hostPath": "/a", "mountPath": "/var/run/secrets/x"}, "mountPath"),
        ({"hostPath": "/a", "mountPath": "/workspace/"}, "mountPath"),
        ({"hostPath": "/a", "mountPath": "/first"}, "mountPath"),
    ],
)
def test_directories_of_the_node_go_where_nothing_is(mount: dict[str, str], field: str | None) -> None:
    mounts = [{"hostPath": "/x", "mountPath": "/first"}, mount]
    box = Sidecar.model_validate({"image": "i", "hostAccess": {"enabled": True, "mounts": mounts}})
    expected = [f"spec.sidecar.hostAccess.mounts[1].{field}"] if field else []
    assert [violation.field for violation in shapes.sidecar(box)] == expected


@pytest.mark.parametrize("path", ["//run/sympozium", "/run/./sympozium/x", "/run//sympozium", "/workspace//"])
def test_a_place_is_taken_however_it_is_written(path: str) -> None:
    access = {"enabled": True, "mounts": [{"hostPath": "/x", "mountPath": path}]}
    [found] = shapes.sidecar(Sidecar.model_validate({"image": "i", "hostAccess": access}))
    assert found.field == "spec.sidecar.hostAccess.mounts[0].mountPath"
