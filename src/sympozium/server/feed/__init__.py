"""Live runs: what a run says, read from the bus once for all who look.

    frames      events as they go over the wire
    log         the newest stored messages of a run, bounded; no I/O
    text        the message that the model is writing, bounded; no I/O
    feed        one run: reads the bus, verifies, keeps log and text
    hub         the feeds that somebody looks at
    view        one who looks: a place in the log, and what comes next for them

A viewer has no queue. It holds its place in what the feed keeps for all, and takes from there when its connection can take
more: what a viewer costs does not depend on how fast it reads.

The id of an event is its place in the stream, which all runs share: it rises, with gaps. A message that is seen live (core
NATS) has no place yet, so it is only a sign that there is something to read: the stream is read on until that message has
come out of it. So history and live are one thing, read by one reader: nothing is lost or comes twice between them.
"""
