"""pods/exec, pods/attach, pods/portforward: checked here, then the connection is the node's.

| module | concern |
|---|---|
| `options` | the parameters of the URL, as the API has them and as a kubelet wants them |
| `connect` | who may, which container, which node |
| `tunnel` | the connection to the node, and the bytes between it and the client |

The protocols inside (WebSocket channels, SPDY) are between client and node: nothing here reads them, so a node
that speaks more of them than this project knows is served as well. A real kubelet that does not know a client's
newest protocol refuses it, and clients fall back to an older one.
"""
