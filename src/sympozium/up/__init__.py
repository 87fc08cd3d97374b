"""One machine: the embedded API, a node, the bus and the control plane, composed and kept running.

Nothing above this package knows that it exists. What `up` adds to the parts is what a cluster
would: it starts each part with an identity of its own (`identities`), applies the install
manifests and the catalogue (`install`), and keeps the processes alive (`supervisor`).

The supervisor is standard library only: it lives as long as the control plane and should weigh
nothing. Whatever needs an HTTP client or YAML runs in `python -m sympozium.up.install`, which
ends when it is done.
"""
