"""The kubelet of one machine: runs the containers of the pods bound to it as bubblewrap processes.

    python -m sympozium.node --name NAME --data-dir DIR --images images.yaml
        --tls-cert FILE --tls-key FILE --client-ca FILE [--port 0] [--health-port 0]
        [--max-pods 110] [--pod-pids-limit 1024] [--allow-host-path] [--sync-period 60s]

It works against any API server that serves pods (Kubernetes access from KUBECONFIG, as
`system:node:NAME` in group `system:nodes`) and knows nothing of agents. The parts, from below:

    images, env, volumes, network, status   values in, values out
    host, cgroups, sandbox, runtime         one sandboxed process, no API
    container, pod                          restarts, init containers, sidecars, termination
    api, events, register, server, main     the API server, and the log endpoint that it calls

What a pod asks for and this node cannot do is refused by name (`refusal`), never ignored.
"""
