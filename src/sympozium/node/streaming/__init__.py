"""exec, attach and port-forward, as a kubelet serves them.

| module | concern |
|---|---|
| `upgrade` | which of the protocols a request asks for, and the answer to it |
| `duplex` | a byte connection that is closed when nothing has moved for hours |
| `spdy`, `spdydict` | SPDY/3.1 frames, without I/O |
| `session` | one SPDY connection with its streams |
| `websocket` | one WebSocket connection |
| `channels` | stdin, stdout, stderr, error and resize over either of them |
| `remote` | a program or a container at these channels: exec and attach |
| `portforward` | connections into a pod's network over either of them |
| `endpoint` | from a request of the node's server to the modules above |

Nothing here is imported before the first such request: a node that streams nothing does not pay for it.
"""
