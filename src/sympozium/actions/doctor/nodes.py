"""What the node probes of the chart found, where they are installed."""

from typing import Final

from sympozium.actions import nodemodels
from sympozium.actions.doctor.finding import Finding
from sympozium.actions.nodelisting import Listing, Server
from sympozium.actions.nodemodels import Report
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.resources import DAEMON_SETS

_SHOWN: Final = 3
_CLOSED: Final = "a run reaches the one that is its model; under denyAll anything else of it takes allowedEgress of its policy"
_CURE: Final = (
    f"kubectl logs -n {SYSTEM_NAMESPACE} daemonset/{nodemodels.DAEMON_SET}; where networkPolicies.metricsFrom is set, it has to "
    "let in the addresses of the Kubernetes API servers too, through which this asks"
)
_BY_HAND: Final = (
    f"ask one by yourself: kubectl port-forward -n {SYSTEM_NAMESPACE} daemonset/{nodemodels.DAEMON_SET} "
    f"{nodemodels.PORT}, then http://127.0.0.1:{nodemodels.PORT}/models"
)


async def model_servers(client: Client, _namespace: str) -> Finding | None:
    daemon_set = await client.find(DAEMON_SETS, nodemodels.DAEMON_SET, SYSTEM_NAMESPACE)
    if daemon_set is None:
        return None
    reports = await nodemodels.through_api(client)
    wanted = int((daemon_set.get("status") or {}).get("desiredNumberScheduled") or 0)
    return finding_of(reports, wanted)


def finding_of(reports: list[Report], wanted: int) -> Finding:
    """Of a DaemonSet that wants so many pods."""
    if not reports and not wanted:
        cure = "see nodeProbe.nodeSelector and nodeProbe.tolerations of the chart"
        return Finding(None, "no node has a probe", cure)
    words = [f"{r.node}: {_words(r.listing) if r.listing else r.problem}" for r in reports]
    if len(reports) < wanted:
        words.append(f"{wanted - len(reports)} of {wanted} nodes have no probe")
    if any(r.listing and r.listing.servers for r in reports):
        words.append(_CLOSED)
    if len(reports) < wanted or any(r.asked and not r.listing for r in reports):
        return Finding(False, "; ".join(words), _CURE)
    if any(not r.asked for r in reports):
        return Finding(None, "; ".join(words), _BY_HAND)
    return Finding(True, "; ".join(words))


def _words(listing: Listing) -> str:
    found = [f"{s.base_url} ({_models(s)})" for s in listing.servers] + [o.problem for o in listing.others]
    return ", ".join(found) or ("none" if listing.checked_at else "not looked yet")


def _models(server: Server) -> str:
    if server.wants_key:
        return "wants a key"
    more = len(server.models) + server.left_out - _SHOWN
    shown = [*server.models[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return ", ".join(shown) or "lists no model"
