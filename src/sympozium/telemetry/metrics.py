"""The metrics of this process, in the format of Prometheus.

Metrics are made once, at import of the module that counts. The registry is the library's own, without its
collectors of Python internals that nobody asked for.
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

registry: Final = CollectorRegistry()
ProcessCollector(registry=registry)


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Counter:
    """Something that only grows; the name ends in `_total`."""
    return Counter(name, description, labels, registry=registry)


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, description, labels, registry=registry)


def histogram(
    name: str, description: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
) -> Histogram:
    return Histogram(name, description, labels, buckets=buckets, registry=registry)


def render() -> bytes:
    """What `/metrics` answers."""
    return generate_latest(registry)
