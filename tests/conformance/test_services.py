"""Services, endpoints and volumes over HTTP."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from conformance import fakenode
from conformance.test_kubectl import BINARIES, Kubectl

SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = fakenode.started(tmp_path_factory.mktemp("services"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def api(machine):
    found = machine.api("admin-token")
    yield found
    found.close()


@pytest.fixture
def space(api):
    return fakenode.namespace(api)


def service(name="s", ports=({"port": 80, "targetPort": "http"},), **spec):
    base = {"ports": list(ports), "selector": {"a": "b"}}
    return {"metadata": {"name": name}, "spec": base | spec}


def running(api, space, name, port=8080, ip="10.1.0.1", *, ready=True):
    made = fakenode.pod(name, labels={"a": "b"}, nodeName="n9")
    made["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": port}]
    path = f"/api/v1/namespaces/{space}/pods"
    assert api.post(path, made).status == 201
    fakenode.report(api, f"{path}/{name}", ready=ready, ip=ip)


def ready_addresses(answer):
    return sorted(
        address
        for one in answer.json.get("items") or ()
        for endpoint in one.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    )


def test_the_api_is_a_service(api):
    found = api.eventually("/api/v1/namespaces/default/services/kubernetes", lambda a: a.status == 200).json
    assert found["spec"]["clusterIP"] == "127.96.0.1"
    port = found["spec"]["ports"][0]["targetPort"]
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
    slice_ = api.eventually(path, lambda a: a.status == 200).json
    assert slice_["endpoints"][0]["addresses"] == ["127.0.0.1"]
    assert (slice_["ports"][0]["name"], slice_["ports"][0]["port"]) == ("https", port)
    api.delete("/api/v1/namespaces/default/services/kubernetes")
    again = api.eventually("/api/v1/namespaces/default/services/kubernetes", lambda a: a.status == 200)
    assert again.json["spec"]["clusterIP"] == "127.96.0.1"


def test_addresses_are_unique_kept_and_refused_like_the_real_ones(api, space):
    path = f"/api/v1/namespaces/{space}/services"
    made = api.post(path, service()).json
    address = made["spec"]["clusterIP"]
    assert IPv4Address(address) in IPv4Network("127.96.0.0/16")
    assert made["spec"]["clusterIPs"] == [address]
    kept = api.put(f"{path}/s", service(ports=[{"port": 81}]))
    assert (kept.status, kept.json["spec"]["clusterIP"]) == (200, address)
    text = f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: provided IP is already allocated'
    api.post(path, service("t", clusterIP=address)).refused(422, "Invalid", text)
    api.patch(f"{path}/s", {"spec": {"clusterIP": "127.96.0.99"}}).refused(
        422, "Invalid", "may not change once set"
    )
    assert api.delete(f"{path}/s").status == 200
    assert api.post(path, service("t", clusterIP=address)).status == 201


def test_types_change_with_what_belongs_to_them(api, space):
    path = f"/api/v1/namespaces/{space}/services"
    made = api.post(path, service(type="NodePort", ports=[{"port": 80}])).json["spec"]
    assert 30000 <= made["ports"][0]["nodePort"] <= 32767
    assert made["externalTrafficPolicy"] == "Cluster"
    plain = api.patch(f"{path}/s", {"spec": {"type": "ClusterIP"}}).json["spec"]
    assert "nodePort" not in plain["ports"][0]
    assert "externalTrafficPolicy" not in plain
    assert plain["clusterIP"] == made["clusterIP"]
    name = api.patch(f"{path}/s", {"spec": {"type": "ExternalName", "externalName": "example.com"}})
    assert name.status == 200
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & set(name.json["spec"])
    headless = api.post(path, service("h", clusterIP="None")).json["spec"]
    assert (headless["clusterIPs"], headless["ipFamilies"]) == (["None"], ["IPv4"])


def test_endpoints_follow_the_pods(api, space):
    api.post(f"/api/v1/namespaces/{space}/services", service())
    path = SLICES.format(space)
    empty = api.eventually(path, lambda a: a.json["items"]).json["items"][0]
    assert empty["metadata"]["labels"]["kubernetes.io/service-name"] == "s"
    assert not empty.get("endpoints")
    running(api, space, "one", ip="10.1.0.1")
    running(api, space, "two", ip="10.1.0.2", ready=False)
    api.eventually(path, lambda a: ready_addresses(a) == ["10.1.0.1"])
    fakenode.report(api, f"/api/v1/namespaces/{space}/pods/two", ip="10.1.0.2")
    found = api.eventually(path, lambda a: ready_addresses(a) == ["10.1.0.1", "10.1.0.2"]).json["items"]
    assert len(found) == 1
    assert found[0]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert {e["targetRef"]["name"] for e in found[0]["endpoints"]} == {"one", "two"}
    old = f"/api/v1/namespaces/{space}/endpoints/s"
    api.eventually(old, lambda a: len(a.json["subsets"][0].get("addresses") or ()) == 2)
    api.delete(f"/api/v1/namespaces/{space}/pods/one?gracePeriodSeconds=0")
    api.eventually(path, lambda a: ready_addresses(a) == ["10.1.0.2"])
    api.delete(f"/api/v1/namespaces/{space}/services/s")
    api.eventually(path, lambda a: not a.json["items"])
    api.eventually(old, lambda a: a.status == 404)


def test_endpoints_by_hand_are_mirrored(api, space):
    api.post(f"/api/v1/namespaces/{space}/services", service(selector=None, ports=[{"port": 5432}]))
    by_hand = {
        "metadata": {"name": "s"},
        "subsets": [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 5432}]}],
    }
    path = f"/api/v1/namespaces/{space}/endpoints"
    assert api.post(path, by_hand).status == 201
    api.eventually(SLICES.format(space), lambda a: ready_addresses(a) == ["192.0.2.7"])
    assert api.delete(f"{path}/s").status == 200
    api.eventually(SLICES.format(space), lambda a: not a.json["items"])
    loop = {"metadata": {"name": "x"}, "subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]}
    api.post(path, loop).refused(422, "Invalid", "may not be in the loopback range (127.0.0.0/8, ::1/128)")


# -- volumes


def claim(name="c", size="1Gi", **spec):
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": base | spec}


def test_a_claim_waits_for_its_pod_and_becomes_a_directory(api, machine, space):
    api.delete("/api/v1/nodes/n1")
    fakenode.register(api)
    path = f"/api/v1/namespaces/{space}/persistentvolumeclaims"
    made = api.post(path, claim()).json
    assert made["spec"]["storageClassName"] == "standard"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    api.eventually(
        f"/api/v1/namespaces/{space}/events?fieldSelector=reason=WaitForFirstConsumer",
        lambda a: a.json["items"],
    )
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    pods = f"/api/v1/namespaces/{space}/pods"
    assert api.post(pods, fakenode.pod("p", volumes=volumes)).status == 201
    bound = api.eventually(f"{path}/c", lambda a: a.json["status"]["phase"] == "Bound").json
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    api.eventually(f"{pods}/p", lambda a: a.json["spec"].get("nodeName") == "n1")
    volume = f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}"
    spec = api.get(volume).json["spec"]
    directory = machine.data / "volumes" / bound["spec"]["volumeName"]
    assert spec["hostPath"]["path"] == str(directory)
    assert directory.is_dir()
    # It grows, and does not shrink.
    grown = api.patch(f"{path}/c", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    assert grown.status == 200
    api.eventually(f"{path}/c", lambda a: a.json["status"]["capacity"]["storage"] == "2Gi")
    api.patch(f"{path}/c", {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}).refused(
        422, "Invalid", "field can not be less than status.capacity"
    )
    # It stays while its pod does.
    going = api.delete(f"{path}/c").json
    assert going["metadata"]["deletionTimestamp"]
    assert api.get(f"{path}/c").status == 200
    api.delete(f"{pods}/p?gracePeriodSeconds=0")
    api.eventually(f"{path}/c", lambda a: a.status == 404)
    api.eventually(volume, lambda a: a.status == 404)
    assert not directory.exists()


def test_a_retained_volume_is_released_and_kept(api, space, tmp_path):
    name = f"pv-{space}"
    volume = {
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(tmp_path)},
            "storageClassName": "by-hand",
        },
    }
    path = f"/api/v1/persistentvolumes/{name}"
    assert api.post("/api/v1/persistentvolumes", volume).status == 201
    api.eventually(path, lambda a: a.json["status"].get("phase") == "Available")
    claims = f"/api/v1/namespaces/{space}/persistentvolumeclaims"
    assert api.post(claims, claim(storageClassName="by-hand")).status == 201
    bound = api.eventually(f"{claims}/c", lambda a: a.json["status"]["phase"] == "Bound").json
    assert (bound["spec"]["volumeName"], bound["status"]["capacity"]) == (name, {"storage": "5Gi"})
    assert api.get(path).json["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]
    api.delete(f"{claims}/c")
    api.eventually(path, lambda a: a.json["status"]["phase"] == "Released")
    assert api.delete(path).status == 200
    api.eventually(path, lambda a: a.status == 404)
    assert tmp_path.is_dir()


def test_a_claim_without_a_class_says_so(api, space):
    path = f"/api/v1/namespaces/{space}"
    assert api.post(f"{path}/persistentvolumeclaims", claim(storageClassName="")).status == 201
    events = api.eventually(f"{path}/events", lambda a: a.json["items"]).json["items"]
    assert (events[0]["reason"], events[0]["message"]) == (
        "FailedBinding",
        "no persistent volumes available for this claim and no storage class is set",
    )


@pytest.mark.parametrize("binary", BINARIES)
def test_kubectl_shows_them(binary, machine, api, space, tmp_path):
    kubectl = Kubectl(binary, machine, space, tmp_path)
    deployment = fakenode.pod("web", labels={"app": "web"})
    assert api.post(f"/api/v1/namespaces/{space}/pods", deployment).status == 201
    assert "service/web exposed" in kubectl("expose", "pod", "web", "--port=80", "--target-port=8080")
    line = kubectl("get", "svc", "web", "--no-headers").split()
    assert (line[1], line[3], line[4]) == ("ClusterIP", "<none>", "80/TCP")
    api.eventually(SLICES.format(space), lambda a: a.json["items"])
    assert kubectl("get", "endpointslices", "--no-headers").split()[1:4] == ["IPv4", "<unset>", "<unset>"]
    assert "standard (default)" in kubectl("get", "sc")
    assert api.post(f"/api/v1/namespaces/{space}/persistentvolumeclaims", claim("shown")).status == 201
    assert kubectl("get", "pvc", "--no-headers").split()[:2] == ["shown", "Pending"]
    described = kubectl.try_("describe", "svc", "web")
    assert described.returncode == 0, described.stderr
    assert "Endpoints:" in described.stdout
