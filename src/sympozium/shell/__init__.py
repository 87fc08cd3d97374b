"""Where what the model wrote runs: commands and files of the workspace, and no credentials.

Before its first command it closes the network of itself and of all that it starts (`sympozium.shell.network`).

A leaf on the standard library and `sympozium.bpf` alone, because it starts in every pod and must not cost the run
time, and because the less code sits next to untrusted commands the better. No asyncio on the
server side for the same reason: one thread per connection, one request per connection, and a
connection that closes early ends what it started.

`python -m sympozium.shell --socket PATH --workspace DIR` listens on a unix socket that `tools`
alone mounts. The protocol (`sympozium.shell.protocol`) is a length-prefixed JSON request and a
length-prefixed JSON answer. `sympozium.shell.client` is the asyncio side of it.
"""
