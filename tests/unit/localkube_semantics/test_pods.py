import pytest

from sympozium.localkube.defaults.pods import qos_class
from sympozium.localkube.defaults.podwarnings import spec_warnings
from unit.localkube_semantics.schemas import copy, created, kind, told, updated

POD = kind("", "v1", "Pod")


def pod(*containers, **spec):
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": list(containers) or [{"name": "c", "image": "i:1"}], **spec},
    }


def wrong(obj, old=None):
    return told(POD.validate(created(POD, obj) if old is None else updated(POD, obj, old), old))


def test_defaults():
    made = created(
        POD,
        pod(
            {
                "name": "c",
                "image": "busybox",
                "resources": {"limits": {"cpu": "1"}},
                "ports": [{"containerPort": 1}],
            }
        ),
    )
    spec = made["spec"]
    container = spec["containers"][0]
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert (spec["terminationGracePeriodSeconds"], spec["enableServiceLinks"], spec["securityContext"]) == (
        30,
        True,
        {},
    )
    assert (container["imagePullPolicy"], container["terminationMessagePolicy"]) == ("Always", "File")
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["resources"]["requests"] == {"cpu": "1"}
    assert container["ports"] == [{"containerPort": 1, "protocol": "TCP"}]
    assert made["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    assert made["metadata"]["generation"] == 1


def test_defaults_of_volumes_probes_and_references():
    container = {
        "name": "c",
        "image": "i:1",
        "livenessProbe": {"httpGet": {"port": 80}},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    volumes = [
        {"name": "none"},
        {"name": "s", "secret": {"secretName": "x"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "h", "hostPath": {"path": "/x"}},
    ]
    spec = created(POD, pod(container, volumes=volumes, serviceAccountName="a"))["spec"]
    probe = spec["containers"][0]["livenessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["containers"][0]["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert spec["serviceAccount"] == "a"
    assert [volume.get("emptyDir") for volume in spec["volumes"]] == [{}, None, None, None]
    assert spec["volumes"][1]["secret"]["defaultMode"] == 420
    assert spec["volumes"][2]["projected"] == {
        "defaultMode": 420,
        "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}],
    }
    assert spec["volumes"][3]["hostPath"] == {"path": "/x", "type": ""}


def test_quantities_are_written_canonically():
    resources = {"limits": {"cpu": "0.5", "memory": "1024Mi"}, "requests": {"cpu": 0.25, "memory": "1000Ki"}}
    made = created(POD, pod({"name": "c", "image": "i:1", "resources": resources}))
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "250m", "memory": "1000Ki"},
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        (
            [{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}],
            "Guaranteed",
        ),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
    ],
)
def test_class_of_service(resources, expected):
    assert qos_class({"containers": [{"resources": r} for r in resources]}) == expected


def test_the_status_of_a_new_pod_is_the_servers():
    assert created(POD, {**pod(), "status": {"phase": "Running"}})["status"] == {
        "phase": "Pending",
        "qosClass": "BestEffort",
    }


def test_a_status_write_changes_the_status_alone():
    old = created(POD, pod())
    sent = copy(old)
    sent["status"] = {"phase": "Running", "qosClass": "Guaranteed"}
    sent["spec"]["nodeName"] = "x"
    made = updated(POD, sent, old, "status")
    assert made["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert "nodeName" not in made["spec"]
    assert made["metadata"]["generation"] == 1
    main = updated(POD, {**copy(old), "status": {"phase": "Failed"}}, old)
    assert main["status"] == old["status"]


@pytest.mark.parametrize(
    ("obj", "causes"),
    [
        ({"metadata": {"name": "x"}, "spec": {"containers": []}}, ["spec.containers: Required value"]),
        ({"metadata": {"name": "x"}}, ["spec.containers: Required value"]),
        (
            pod(restartPolicy="Huh"),
            [
                'spec.restartPolicy: Unsupported value: "Huh": supported values: "Always", "OnFailure", "Never"'
            ],
        ),
        (
            pod({"name": "a", "image": "b"}, {"name": "a", "image": "b"}),
            ['spec.containers[1].name: Duplicate value: "a"'],
        ),
        (
            pod({"name": "a", "image": "b", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}),
            ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
        ),
        (pod({"name": "a"}), ["spec.containers[0].image: Required value"]),
        (
            pod(activeDeadlineSeconds=0),
            ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
        (
            pod({"name": "a", "image": "b", "env": [{"name": "x=y"}]}),
            [
                "spec.containers[0].env[0].name: Invalid value: \"x=y\": a valid environment variable name must consist only of printable ASCII characters other than '='"
            ],
        ),
        (
            pod({"name": "a", "image": "b", "ports": [{"containerPort": 70000}]}),
            [
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"
            ],
        ),
        (
            pod({"name": "a", "image": "b", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}),
            [
                'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'
            ],
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
            ['spec.volumes[1].name: Duplicate value: "v"'],
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            pod({"name": "a", "image": "b", "livenessProbe": {}}),
            ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
        ),
        (
            pod(initContainers=[{"name": "c", "image": "b"}]),
            ['spec.initContainers[0].name: Duplicate value: "c"'],
        ),
    ],
)
def test_what_is_refused(obj, causes):
    assert wrong(obj) == causes


def test_only_some_of_a_pod_may_change():
    old = created(
        POD,
        pod(
            {"name": "c", "image": "i:1"},
            activeDeadlineSeconds=10,
            tolerations=[{"operator": "Exists", "effect": "NoExecute"}],
        ),
    )
    image = copy(old)
    image["spec"]["containers"][0]["image"] = "i:2"
    assert wrong(image, old) == []
    assert updated(POD, image, old)["metadata"]["generation"] == 2
    policy = copy(old)
    policy["spec"]["restartPolicy"] = "Never"
    found = wrong(policy, old)
    assert found[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )
    assert '- restartPolicy: "Always"\n+ restartPolicy: "Never"' in found[0]
    deadline = copy(old)
    deadline["spec"]["activeDeadlineSeconds"] = 11
    assert wrong(deadline, old)[0].startswith("spec.activeDeadlineSeconds: Invalid value: 11")
    added = copy(old)
    added["spec"]["tolerations"].append({"key": "a", "operator": "Exists"})
    assert wrong(added, old) == []
    removed = copy(old)
    removed["spec"]["tolerations"] = []
    assert wrong(removed, old)[0].startswith("spec.tolerations: Forbidden")
    more = copy(old)
    more["spec"]["containers"].append({"name": "d", "image": "x"})
    assert wrong(more, old) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_what_is_warned_of_is_let_pass():
    spec = pod()["spec"]
    spec["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    spec["imagePullSecrets"] = [{"name": "s"}, {"name": "s"}]
    spec["affinity"] = {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}
    }
    assert spec_warnings(spec, "spec") == [
        'spec.imagePullSecrets[1].name: duplicate name "s"',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        (
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: "
            "a null labelSelector results in matching no pod"
        ),
    ]
    assert not spec_warnings(pod()["spec"], "spec")
