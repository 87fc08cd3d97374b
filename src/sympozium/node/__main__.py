"""`python -m sympozium.node`: see the package."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from sympozium import durations

IGNORE_POLICIES = "SYMPOZIUM_NODE_IGNORE_NETWORK_POLICIES"


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sympozium.node", description="Run the pods bound to one node."
    )
    parser.add_argument("--name", required=True, help="name of the Node object")
    parser.add_argument("--data-dir", required=True, type=Path, help="volumes, logs and state of the pods")
    parser.add_argument("--images", required=True, type=Path, help="catalogue of images (YAML)")
    parser.add_argument("--port", type=int, default=0, help="of the log endpoint; 0 takes a free one")
    parser.add_argument("--tls-cert", required=True, type=Path, help="certificate of the log endpoint (PEM)")
    parser.add_argument("--tls-key", required=True, type=Path)
    parser.add_argument("--client-ca", required=True, type=Path, help="CA of those who may call it (PEM)")
    parser.add_argument(
        "--health-port", type=int, default=0, help="/healthz, /readyz, /metrics on loopback; 0 is none"
    )
    parser.add_argument("--max-pods", type=int, default=110)
    parser.add_argument(
        "--pod-pids-limit", type=int, default=1024, help="processes and threads in a container"
    )
    parser.add_argument("--allow-host-path", action="store_true", help="let pods mount paths of the host")
    parser.add_argument(
        "--ignore-network-policies", action="store_true", default=bool(os.environ.get(IGNORE_POLICIES)),
        help=f"enforce none, as a cluster whose network does not know them (also ${IGNORE_POLICIES}=1)",
    )  # fmt: skip
    parser.add_argument("--sync-period", type=durations.parse, default=60.0, metavar="DURATION",
                        help="how often volumes are brought up to date (default 60s)")  # fmt: skip
    parser.add_argument("--eviction-period", type=durations.parse, default=10.0, metavar="DURATION",
                        help="how often the disk is looked at (default 10s)")  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 1 when the node could not start."""
    options = _arguments(argv)
    from sympozium.kube import Client, KubeError
    from sympozium.node import host
    from sympozium.node.images import Catalogue, CatalogueError
    from sympozium.node.machine import Settings
    from sympozium.node.main import Endpoint, run
    from sympozium.telemetry import logs

    logs.setup("node")
    settings = Settings(
        options.name, options.data_dir.absolute(), options.max_pods, options.pod_pids_limit,
        options.allow_host_path, options.sync_period, options.eviction_period,
        options.ignore_network_policies,
    )  # fmt: skip
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        images = Catalogue(options.images)
        client = Client.connect(field_manager="kubelet")
        endpoint = Endpoint(options.port, options.tls_cert, options.tls_key, options.client_ca)
        found = host.probe(settings.data_dir)
        if settings.ignore_network_policies:
            found.facts.append("network policies are NOT enforced (this node was told to ignore them)")
        asyncio.run(run(settings, found, images, client, endpoint, options.health_port or None))
    except (OSError, KubeError, CatalogueError) as exc:
        print(f"node {options.name}: {exc}", file=sys.stderr)  # noqa: T201  # the command's one line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
