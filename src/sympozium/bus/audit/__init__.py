"""The record of a run: entries that only the controllers write, each chained to the one before it, each signed.

- `entry`: what an entry is, and how one is made. Pure.
- `facts`: what a message of a run puts on the record. Pure.
- `file`: verification of an exported record, without a cluster. Pure.
- `store`: the stream `AUDIT`.
- `recorder`: the controllers' side: writes each message's entry once, in the order of the stream.

docs/record.md says what a record proves.
"""
