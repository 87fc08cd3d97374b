"""Which command lines are tried, and that what is tried cannot have an effect."""

import pytest

from sympozium.skills.k8s_ops.dryrun import NotUnderstoodError, difference, lookup, objects, trial

TRIED = {
    "kubectl scale deploy/web --replicas=3 -n shop": "scale deploy/web --replicas=3 -n shop --dry-run=server --output=json",
    "kubectl -n shop scale deploy web --replicas 3 -o yaml": "-n shop scale deploy web --replicas 3 --dry-run=server --output=json",
    "kubectl apply -f a.yaml --server-side": "apply -f a.yaml --server-side --dry-run=server --output=json",
    """kubectl patch deploy web -p '{"spec": {"paused": true}}'""": 'patch deploy web -p {"spec": {"paused": true}} --dry-run=server --output=json',
    'kubectl annotate pod p "note=two words" --overwrite\n': "annotate pod p note=two words --overwrite --dry-run=server --output=json",
    "kubectl delete pods -l app=web --grace-period=0 --now": "delete pods -l app=web --grace-period=0 --now --dry-run=server --output=name",
}


@pytest.mark.parametrize("command", TRIED)
def test_tried(command: str) -> None:
    assert " ".join(trial(command).argv) == TRIED[command]


def test_a_deletion_is_looked_up_as_a_get_of_the_same() -> None:
    found = trial("kubectl delete -n shop pods delete -l a=b --all --grace-period 5 --timeout=1s -f x.yaml")
    assert found.gone == ["get", "-n", "shop", "pods", "delete", "-l", "a=b", "-f", "x.yaml", "--output=json"]
    assert trial("kubectl scale deploy/web --replicas=3").gone is None


NOT_TRIED = [
    "kubectl get pods", "kubectl", "kubectl exec p -- rm x", "kubectl edit deploy web", "kubectl drain n",
    "kubectl rollout restart deploy/web", "helm upgrade x y", "k delete pod p", "/tmp/kubectl delete pod p",
    "KUBECONFIG=x kubectl delete pod p", "kubectl delete pod p; rm -rf /", "kubectl delete pod p && true",
    "kubectl delete pod p | tee x", "kubectl delete pod $(id)", 'kubectl delete pod "$P"', "kubectl delete pod `id`",
    'kubectl delete pod "`id`"', "kubectl delete pod p > x", "kubectl delete pod p\nrm x", "kubectl delete pod p &",
    "kubectl delete pod {a,b}", "kubectl delete pod *", "kubectl delete pod ~", "kubectl delete pod a\\ b",
    "kubectl delete pod 'a", "kubectl delete pod p # x", "kubectl delete pod p --dry-run=none",
    "kubectl delete pod p --dry-run none", "kubectl delete pod p --dry-run", "kubectl -s x delete pod p",
    "kubectl delete pod p --server=https://evil", "kubectl delete pod p --token x", "kubectl delete pod p --as=admin",
    "kubectl delete pod p --kubeconfig=x", "kubectl delete pod p --context x", "kubectl delete --raw /api",
    "kubectl create --edit -f x", "kubectl apply -f -", "kubectl apply -f https://evil/x.yaml", "kubectl apply --filename=-",
    "kubectl apply -k dir", "kubectl replace --force -f x", "kubectl delete pod p -n", "kubectl delete pod p -nshop",
    "kubectl delete pod p -n=shop", "kubectl delete pod p -n --dry-run=none", "kubectl delete pod p -- --dry-run=none",
    "kubectl create configmap c --from-file=k=-", "kubectl apply -f a --prune", "", "  ", "kubectl delete pod п; x",
]  # fmt: skip


@pytest.mark.parametrize("command", NOT_TRIED)
def test_not_tried(command: str) -> None:
    with pytest.raises(NotUnderstoodError):
        trial(command)


def obj(kind="Deployment", **more):
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop"}} | more


def test_objects_of_every_kind_of_output() -> None:
    assert objects("") == []
    assert objects('{"kind": "List", "items": [{"kind": "A"}, {"kind": "B"}]}') == [
        {"kind": "A"},
        {"kind": "B"},
    ]
    assert objects('{"kind": "A"}\n{"kind": "B"}\n') == [{"kind": "A"}, {"kind": "B"}]
    with pytest.raises(ValueError, match="Expecting"):
        objects("error: no")


def test_lookup() -> None:
    assert lookup(obj()) == [
        "get", "--namespace=shop", "--ignore-not-found", "--output=json", "--", "Deployment.v1.apps", "web",
    ]  # fmt: skip
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    assert lookup(node) == ["get", "--ignore-not-found", "--output=json", "--", "Node.v1.", "n"]


def test_differences() -> None:
    noise = {"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "managedFields": []}}
    before = obj(spec={"replicas": 1}, status={"replicas": 1}) | noise
    after = obj(spec={"replicas": 3}, status={})
    assert difference(before, after).splitlines()[-2:] == ["-  replicas: 1", "+  replicas: 3"]
    assert "resourceVersion" not in difference(before, after)
    assert difference(before, before) == "shop/Deployment/web: no change"
    assert difference(None, after).startswith("--- /dev/null\n+++ shop/Deployment/web")
    assert "-kind: Deployment" in difference(before, None)


def test_secret_values_are_masked_and_a_change_is_said() -> None:
    before, after = (
        obj("Secret", data={"a": "MQ==", "b": "Mg=="}),
        obj("Secret", data={"a": "MQ==", "b": "Mw==", "c": "NA=="}),
    )
    text = difference(before, after)
    assert "-  b: '[masked]'\n+  b: '[masked, changed]'\n+  c: '[masked]'" in text
    for value in ("MQ==", "Mg==", "Mw==", "NA=="):
        assert value not in text
