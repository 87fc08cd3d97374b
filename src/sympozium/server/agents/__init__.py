"""Endpoints of single agents, for programs that hold the agent's key: chat completions, MCP, A2A.

    endpoints     which agent and protocol a request is for, and whether its key opens it
    directory     the agents that have an endpoint; their host names and keys
    rates         how many runs an endpoint starts
    asked         a request as a run: made once, followed, cancelled
    waiting       an answer within the life of its client
    chat*         OpenAI's chat completions
    mcp           the agent as a tool of MCP clients
    a2a*          the agent as one that other agents talk to

Whoever holds the key of an endpoint can have that one agent work, and nothing else: the key is no Kubernetes credential and
opens nothing under `/api`, and a Kubernetes credential or a session opens no endpoint.
"""
