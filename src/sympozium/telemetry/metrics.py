"""The metrics of this process, in the format of Prometheus.

Metrics are made once, at import of the module that counts. The registry is the library's own, without its
collectors of Python internals that nobody asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sympozium import __version__

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


class Computed(Collector):
    """A gauge whose values are computed when somebody asks; none as long as `source` is None."""

    def __init__(self, name: str, description: str, labels: Sequence[str]) -> None:
        self._name = name
        self._description = description
        self.label_names = labels
        self.source: Callable[[], Iterable[tuple[Sequence[str], float]]] | None = None

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self._name, self._description, labels=self.label_names)]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._description, labels=self.label_names)
        for labels, value in self.source() if self.source is not None else ():
            family.add_metric(labels, value)
        return [family]


def computed(name: str, description: str, labels: Sequence[str] = ()) -> Computed:
    made = Computed(name, description, labels)
    registry.register(made)
    return made


class Bounded:
    """Values of a label that people choose: the first so many, then `other`, since each is a series for ever."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        if value not in self._known:
            if len(self._known) >= self._most:
                return "other"
            self._known.add(value)
        return value


gauge("sympozium_build_info", "1, with the version of this process.", ["version"]).labels(__version__).set(1)


def render() -> bytes:
    """What `/metrics` answers."""
    return generate_latest(registry)
