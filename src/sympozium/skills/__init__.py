"""The sidecars of built-in skill packs: MCP servers on unix sockets, one package each.

A sidecar runs with the rights of its pack and nothing of another's. It does not decide what may
be called: `tools` does, before the call gets here.
"""
