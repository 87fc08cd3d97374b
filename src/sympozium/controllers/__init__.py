"""The control plane's controllers: one module, or one small package, for each concern.

    run         queue, plan, identities, status and end of an AgentRun
    approval    ApprovalRequests: asked, decided, expired
    schedule    AgentRuns at set times
    pack        instances and schedules of a PersonaPack
    instance    status of a SympoziumInstance
    policy      how many instances a SympoziumPolicy governs
    config      whether the SympoziumConfig can be followed
    skillpack   the ConfigMap of a SkillPack's instructions

Decisions are pure functions over values (`plan`, `queue`, `fold`, `diagnose`, `ticks`, `stamp`), tested without
a cluster; the reconcilers read, decide and write, and hold nothing that a restart would lose.
"""
