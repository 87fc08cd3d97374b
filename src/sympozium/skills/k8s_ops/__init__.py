"""The sidecar of the `k8s-ops` pack: typed reads with the real kubectl, and commands for changes.

`python -m sympozium.skills.k8s_ops [--socket PATH] [--workspace DIR]`. Reads are typed, so that a
policy can allow them without allowing a shell: they are an argument vector, never a command
line. `execute_command` (the target `k8s-ops` of the built-in tool) is for everything else, and is
what policies ask a person about.
"""
