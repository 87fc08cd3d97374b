"""The bus: typed, signed messages of runs on NATS JetStream.

What each side imports:

- a container of a run: `Credentials`, `Publisher` (`publisher`);
- the controllers: `Admin` (`admin`);
- the command line: `Reader` (`reader`);
- who sets a bus up: `Keyring` (`keyring`), `server`.

Two things keep runs apart. NATS permissions name the exact subjects that a container may publish to and
the one consumer it may pull from. Since a reply subject can still make the server itself write into
another run's subjects, nothing on a subject is believed for being there: every message is an envelope
signed with a key that its one sender holds, and what does not verify is dropped and counted
(docs/decisions/0005-bus-envelopes.md).

Importing this package imports nothing: nats-py is loaded by those who connect.
"""
