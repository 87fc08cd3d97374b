"""Metrics of the Kubernetes side of a process; names follow controller-runtime's."""

from typing import Final

from sympozium.telemetry.metrics import computed, counter, gauge, histogram

RECONCILES: Final = counter(
    "sympozium_reconcile_total", "Reconciles by controller and outcome.", ["controller", "outcome"]
)
RECONCILE_SECONDS: Final = histogram(
    "sympozium_reconcile_seconds",
    "Time of one reconcile.",
    ["controller"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 2, 10, 60),
)
QUEUE_DEPTH: Final = gauge("sympozium_workqueue_depth", "Keys that wait for a worker.", ["controller"])
WATCH_RESTARTS: Final = counter(
    "sympozium_watch_restarts_total", "Watches that broke or had to start anew.", ["resource", "cause"]
)
EVENTS: Final = counter(
    "sympozium_events_total", "Kubernetes Events by outcome: written, repeated, dropped, failed.", ["outcome"]
)
INFORMER_AGE: Final = computed(
    "sympozium_informer_age_seconds", "Since the API server last said something of a resource; silence is up to ten minutes.",
    ["resource"],
)  # fmt: skip
INFORMER_OBJECTS: Final = computed(
    "sympozium_informer_objects", "Objects in the copy of a resource.", ["resource"]
)
LEADER: Final = gauge("sympozium_leader", "1 while this process is the leader.", ["name"])
