"""The values of the chart, declared once: their types, their defaults and what they mean.

values.yaml, values.schema.json and the table in the chart's README are written from here (`scripts/chart.py`). The text
under a field is its description in all three.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

REGISTRY: Final = "ghcr.io/sympozium"

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
Cpu = Annotated[
    str,
    WithJsonSchema(
        {"type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?m?$", "exclusiveMinimum": 0}
    ),
]
"""People write `cpu: 2`, and Kubernetes takes it."""
Texts = dict[str, str]
Port = Annotated[int, Field(ge=1, le=65535)]
NodePort = Annotated[int, Field(ge=0, le=65535)]
DnsName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Cidr = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
OptionalUrl = Annotated[str, Field(pattern=r"^(https?://\S+)?$")]
Level = Literal["restricted", "baseline", "privileged"]


def camel(name: str) -> str:
    """`load_balancer_ip` becomes `loadBalancerIP`, as in Kubernetes."""
    first, *rest = name.split("_")
    initialisms = {"ip": "IP", "url": "URL", "id": "ID", "ca": "CA"}
    return first + "".join(initialisms.get(word, word.capitalize()) for word in rest)


class Values(BaseModel):
    model_config = ConfigDict(
        extra="forbid", alias_generator=camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Image(Values):
    registry: Annotated[
        str, Field(min_length=1, pattern=r"^(\[[0-9A-Fa-f:]+\]|[^\s:/]+)(:[0-9]+)?(/[^\s:/]+)*$")
    ] = REGISTRY
    """Where all images come from. Another one moves NATS and the collector too, by their bare names (air gap)."""
    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")] = ""
    """Tag of our images; `v<appVersion>` when empty, so an image and its chart belong together."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When nodes pull."""
    pull_secrets: list[DnsName] = []
    """Names of Secrets with credentials for the registry, in the release's namespace and in each namespace of agents: runs pull with them too."""


class Namespaced(Values):
    create: bool = False
    """Render the namespace of the release. For `kubectl apply` and GitOps: `helm install` makes it itself."""
    pod_security: Level = "restricted"
    """Level of Pod Security that it enforces, when it is rendered; everything of this chart conforms to `restricted`."""
    labels: Texts = {}
    """More labels for it."""
    annotations: Texts = {}
    """Annotations for it."""


class AgentNamespace(Values):
    name: Namespace
    """Its name."""
    pod_security: Level = "restricted"
    """Level of Pod Security that it enforces. Skills with host access need `privileged`."""
    labels: Texts = {}
    """More labels."""
    annotations: Texts = {}
    """Annotations."""


class Agents(Values):
    namespaces: list[AgentNamespace] = []
    """Namespaces for agents, made with the release and kept when it goes. Agents may live in any namespace."""


class Crds(Values):
    install: bool = True
    """Install and upgrade the CustomResourceDefinitions with the release; else apply what `sympozium crds` prints."""
    keep: bool = True
    """Keep them, and so all objects, when the release goes."""


class SecretKey(Values):
    name: DnsName
    """The Secret."""
    key: Annotated[str, Field(min_length=1)]
    """Its key."""


class EnvVar(Values):
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Of the variable."""
    value: str | None = None
    """Its value."""
    value_from: dict[str, Any] | None = None
    """Where it comes from, as in a pod."""


class Toleration(Values):
    key: str | None = None
    """Of the taint."""
    operator: Literal["Exists", "Equal"] | None = None
    """How it is compared."""
    value: str | None = None
    """Of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Which effect is tolerated; all when absent."""
    toleration_seconds: int | None = None
    """For how long."""


class Placement(Values):
    annotations: Texts = {}
    """Annotations of the pods."""
    labels: Texts = {}
    """More labels of the pods."""
    node_selector: Texts = {}
    """Labels that nodes must have."""
    tolerations: list[Toleration] = []
    """Taints of nodes that are tolerated."""
    affinity: dict[str, Any] = {}
    """Affinity, as in a pod."""
    priority_class_name: str = ""
    """PriorityClass of the pods."""
    extra_env: list[EnvVar] = []
    """More environment."""


class Amounts(Values):
    cpu: Cpu | None = None
    """Processor time."""
    memory: Quantity | None = None
    """Memory."""


class Resources(Values):
    requests: Amounts = Amounts()
    """What is reserved."""
    limits: Amounts = Amounts()
    """What is the most."""


def _resources(cpu: str, memory: str, limit: str) -> Resources:
    """A limit for memory alone: one for processor time would slow a burst down for nothing."""
    return Resources(requests=Amounts(cpu=cpu, memory=memory), limits=Amounts(memory=limit))


class Budget(Values):
    enabled: bool = True
    """Make a PodDisruptionBudget, where there is more than one replica."""
    max_unavailable: Annotated[int, Field(ge=1)] = 1
    """Pods that a drain may take at a time."""


class Component(Placement):
    replicas: Annotated[int, Field(ge=1, le=9)] = 2
    """Pods."""
    resources: Resources = _resources("100m", "128Mi", "512Mi")
    """Requests and limits."""
    pod_disruption_budget: Budget = Budget()
    """How much of it a drain may take."""


class Controller(Component):
    resources: Resources = _resources("100m", "256Mi", "1Gi")
    """Requests and limits; 10,000 runs that are kept need 130 MiB."""


class IssuerRef(Values):
    name: str = ""
    """Issuer of cert-manager; a self-signed one is made when empty."""
    kind: Literal["Issuer", "ClusterIssuer"] = "Issuer"
    """Its kind."""
    group: str = "cert-manager.io"
    """Its group."""


class Certificates(Values):
    source: Literal["own", "cert-manager"] = "own"
    """`own`: the webhook makes its CA and certificate, and renews them. `cert-manager`: that does."""
    issuer_ref: IssuerRef = IssuerRef()
    """Who signs, with cert-manager."""
    duration: str = "2160h"
    """How long a certificate of cert-manager is good."""
    renew_before: str = "720h"
    """How long before its end it is renewed."""


class Webhook(Component):
    certificates: Certificates = Certificates()
    """Where its certificate comes from."""


class Service(Values):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    port: Port = 8080
    """Port of the Service."""
    node_port: NodePort = 0
    """Port on nodes, for NodePort and LoadBalancer; 0 lets Kubernetes choose."""
    annotations: Texts = {}
    """Annotations, such as `lbipam.cilium.io/ips`."""
    labels: Texts = {}
    """More labels."""
    load_balancer_ip: str = ""
    """Address to ask the load balancer for."""
    load_balancer_class: str = ""
    """Which load balancer."""
    load_balancer_source_ranges: list[Cidr] = []
    """Networks that may reach it."""
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""
    """`Local` keeps the addresses of clients."""


class IngressHost(Values):
    host: Annotated[str, Field(min_length=1)]
    """Host name."""
    path: Annotated[str, Field(pattern="^/")] = "/"
    """Path."""
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] = "Prefix"
    """How the path is compared."""


class IngressTls(Values):
    secret_name: DnsName
    """Secret with the certificate."""
    hosts: list[str] = []
    """Hosts that it is for."""


class Ingress(Values):
    enabled: bool = False
    """Make an Ingress."""
    class_name: str = ""
    """IngressClass."""
    annotations: Texts = {}
    """Annotations."""
    labels: Texts = {}
    """More labels."""
    hosts: list[IngressHost] = []
    """Hosts and paths; at least one."""
    tls: list[IngressTls] = []
    """Certificates."""


class ParentRef(Values):
    name: DnsName
    """The Gateway."""
    namespace: str | None = None
    """Its namespace; the release's when absent."""
    section_name: str | None = None
    """One of its listeners."""
    port: Port | None = None
    """One of its ports."""


class Gateway(Values):
    enabled: bool = False
    """Make an HTTPRoute of the Gateway API."""
    annotations: Texts = {}
    """Annotations."""
    labels: Texts = {}
    """More labels."""
    parent_refs: list[ParentRef] = []
    """Gateways; at least one."""
    hostnames: list[str] = []
    """Host names."""


class Oidc(Values):
    issuer: OptionalUrl = ""
    """Sign in with this OpenID Connect provider; without one people sign in with tokens."""
    client_id: str = ""
    """What the provider calls this application."""
    client_secret_ref: SecretKey | None = None
    """Secret of the release's namespace with the client's secret; a public client has none."""
    scopes: list[str] = ["openid", "profile", "email"]
    """Scopes to ask for."""
    mode: Literal["passthrough", "impersonate"] = "passthrough"
    """`passthrough`: Kubernetes trusts the provider too. `impersonate`: it trusts this server, which gets that right."""
    username_claim: str = "sub"
    """Claim with the name (impersonate)."""
    groups_claim: str = "groups"
    """Claim with the groups (impersonate)."""
    username_prefix: str = "oidc:"
    """Before each name (impersonate)."""
    groups_prefix: str = "oidc:"
    """Before each group (impersonate)."""
    ca_config_map: str = ""
    """ConfigMap with the key `ca.crt`, where the provider's certificate is signed by none of the system's authorities."""


class Persistence(Values):
    enabled: bool = False
    """Keep the ledger of usage on a volume; else it is counted anew from what the bus kept. One replica only."""
    size: Quantity = "1Gi"
    """Size of the volume."""
    storage_class: str = ""
    """StorageClass; the cluster's default when empty."""


class Limits(Values):
    max_body: Annotated[int, Field(ge=1024)] = 1048576
    """Bytes that a request's body may have."""
    max_connections: Annotated[int, Field(ge=10)] = 4096
    """Connections at a time, of each pod."""
    requests_per_second: Annotated[int, Field(ge=1)] = 50
    """Requests of one credential; four times as many at once."""
    max_streams: Annotated[int, Field(ge=1)] = 2000
    """Live streams that may be open."""


class ApiServer(Component):
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    """Pods. One-time links and sign-outs are known to one pod alone: with more, the Service keeps a client at one."""
    enabled: bool = True
    """Run the API server with the dashboard. Agents work without."""
    service: Service = Service()
    """How it is reached."""
    ingress: Ingress = Ingress()
    """By an Ingress."""
    gateway: Gateway = Gateway()
    """By the Gateway API."""
    tls_secret: str = ""
    """Secret of type kubernetes.io/tls that it serves HTTPS with; plain HTTP when empty."""
    public_url: OptionalUrl = ""
    """How browsers reach it, such as https://agents.example.org."""
    installation: str = ""
    """What the dashboard calls this installation."""
    cors_origins: list[OptionalUrl] = []
    """Pages of these origins may send bearer tokens."""
    trusted_proxies: list[str] = []
    """Addresses or networks of proxies whose X-Forwarded-* are believed."""
    oidc: Oidc = Oidc()
    """Signing in."""
    persistence: Persistence = Persistence()
    """Its ledger of usage."""
    limits: Limits = Limits()
    """What one client can cost."""


class Egress(Component):
    enabled: bool = True
    """Run the proxy by which runs with a closed network reach allowed names, and tell SympoziumConfig."""
    resources: Resources = _resources("50m", "96Mi", "256Mi")
    """Requests and limits."""


class NodeProbe(Placement):
    enabled: bool = False
    """Run a pod on each node that looks for model servers there, for those who set up and for `sympozium doctor` (docs/models.md)."""
    ports: Annotated[list[Port], Field(min_length=1, max_length=10, json_schema_extra={"uniqueItems": True})] = [
        11434, 8000, 1234, 8080, 30000,
    ]  # fmt: skip
    """Ports of the node where they may be: of Ollama, vLLM, LM Studio, llama.cpp and SGLang."""
    interval_seconds: Annotated[int, Field(ge=1, le=86400)] = 60
    """From one look to the next."""
    resources: Resources = _resources("10m", "64Mi", "128Mi")
    """Requests and limits."""


class External(Values):
    url: Annotated[str, Field(pattern=r"^((nats|tls)://\S+)?$")] = ""
    """NATS of your own, in operator mode with the operator of Secret `sympozium-bus-operator`; needs `nats.enabled: false`."""


class NatsStorage(Values):
    size: Quantity = "1Gi"
    """Size of each server's volume."""
    storage_class: str = ""
    """StorageClass; the cluster's default when empty."""


class Nats(Component):
    enabled: bool = True
    """Run NATS JetStream here."""
    replicas: Literal[1, 3] = 1
    """Servers; three keep everything when one is lost. One does not become three later without losing the histories (docs/cluster.md)."""
    image: str = ""
    """Its image; NATS of the registry when empty."""
    resources: Resources = _resources("100m", "128Mi", "512Mi")
    """Requests and limits."""
    persistence: NatsStorage = NatsStorage()
    """Where messages are kept."""
    external: External = External()
    """NATS of your own."""


class Collector(Placement):
    enabled: bool = False
    """Run an OpenTelemetry collector here."""
    image: str = ""
    """Its image; opentelemetry-collector-contrib of the registry when empty."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 1
    """Pods."""
    resources: Resources = _resources("50m", "128Mi", "512Mi")
    """Requests and limits."""
    exporters: dict[str, dict[str, Any]] = {"debug": {}}
    """Its exporters, as in its configuration; all get traces, metrics and logs. `debug: null` leaves out the one of the default."""
    pod_disruption_budget: Budget = Budget()
    """How much of it a drain may take."""


class Labelled(Values):
    enabled: bool = False
    """Make it."""
    labels: Texts = {}
    """More labels, as whoever reads it selects them."""
    annotations: Texts = {}
    """Annotations."""


class ServiceMonitor(Labelled):
    interval: Annotated[str, Field(pattern=r"^[0-9]+(s|m)$")] = "30s"
    """How often metrics are read."""


class Telemetry(Values):
    endpoint: OptionalUrl = ""
    """OTLP endpoint that traces are sent to; the chart's collector when that is enabled, else nothing is sent."""
    protocol: Literal["http/protobuf"] = "http/protobuf"
    """How."""
    collector: Collector = Collector()
    """A collector of the chart's own."""
    service_monitor: ServiceMonitor = ServiceMonitor()
    """ServiceMonitor of the Prometheus operator."""
    prometheus_rule: Labelled = Labelled()
    """PrometheusRule with the alerts."""
    dashboards: Labelled = Labelled(labels={"grafana_dashboard": "1"})
    """ConfigMaps with dashboards, which Grafana's sidecar finds by label."""


class NetworkPolicies(Values):
    enabled: bool = True
    """Make NetworkPolicies for the components: what may reach them."""
    metrics_from: list[dict[str, Any]] = []
    """Peers that may read metrics, as `from` of a NetworkPolicy; all namespaces when empty."""
    apiserver_from: list[dict[str, Any]] = []
    """Peers that may reach the API server; everybody when empty."""


class Catalog(Values):
    policies: bool = True
    """Install the built-in policies."""
    skills: bool = True
    """Install the built-in skill packs."""
    packs: bool = True
    """Install the built-in persona packs, none of them enabled."""


class Uninstall(Values):
    hook: bool = True
    """When the release goes: end the runs, stop the controllers, take finalizers away. Without it: `sympozium release teardown` before."""
    timeout_seconds: Annotated[int, Field(ge=10, le=3600)] = 120
    """How long runs have to end by themselves; then they are let go, and it is said which."""
    purge: bool = False
    """Remove also all objects of our kinds, the keys of the bus and its volumes. The records of past runs are gone then."""


class Test(Values):
    enabled: bool = True
    """Have a pod for `helm test`."""


class Chart(Values):
    """The values of the chart."""

    image: Image = Image()
    """Images."""
    common_labels: Texts = {}
    """Labels of every object."""
    namespace: Namespaced = Namespaced()
    """The namespace of the release."""
    crds: Crds = Crds()
    """The CustomResourceDefinitions."""
    agents: Agents = Agents()
    """Where agents live."""
    config: Annotated[dict[str, Any], Field(json_schema_extra={"x-config": True})] = {}
    """Spec of SympoziumConfig `default`: model, provider, baseURL, authRefs and all else in docs/reference.md. What stands here wins over what people set elsewhere; what does not is theirs."""
    catalog: Catalog = Catalog()
    """What is built in. The controllers apply it; what you change in it stays changed."""
    pods: Placement = Placement()
    """For all pods of the chart; a component's own come on top."""
    controller: Controller = Controller()
    """The controllers; one works, the others stand by."""
    webhook: Webhook = Webhook()
    """The admission webhook."""
    apiserver: ApiServer = ApiServer()
    """The API server with the dashboard."""
    egress: Egress = Egress()
    """The proxy for runs with a closed network."""
    nats: Nats = Nats()
    """The event bus."""
    node_probe: NodeProbe = NodeProbe()
    """Finds model servers on nodes."""
    telemetry: Telemetry = Telemetry()
    """Traces, metrics, dashboards, alerts."""
    network_policies: NetworkPolicies = NetworkPolicies()
    """Who may reach what."""
    uninstall: Uninstall = Uninstall()
    """What happens at the end."""
    test: Test = Test()
    """`helm test`."""
    globals_: Annotated[dict[str, Any], Field(alias="global")] = {}
    """Taken from a parent chart; nothing here reads it."""
