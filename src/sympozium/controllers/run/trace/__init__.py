"""Traces of runs, told by the controllers from what runs put on their record.

    origin    which trace a run is part of, and its own span in it
    story     events of a run -> spans. Pure
    teller    where the spans of each run go, and when

Nothing of OpenTelemetry is in the pods of a run, and no way out of their network is opened for it
(docs/decisions/0014): a span of theirs is two events that they publish anyhow.
"""
