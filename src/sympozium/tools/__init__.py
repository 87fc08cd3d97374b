"""The only way to an effect: every tool call of a run passes this process.

    agent --MCP--> tools --> gate --> (a person) --> journal --> shell, a skill, or fetch_url
                     `--> events, acknowledged, before the answer

`python -m sympozium.tools` is the container's entry point. It never runs what the model wrote
(that is `shell`, or a skill), has no model key, mounts no workspace, and calls run one at a time:
while one waits for a person nothing else of the run executes.
"""
