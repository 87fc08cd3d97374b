"""`sympozium policy`: what a person does with policies beside applying them.

    check FILE...       mistakes and oddities, with their lines; no cluster
    test DIR            assertions that stand beside policies, for CI; no cluster
    explain RUN         each decision about a run, with the rule and where it stands
    backtest POLICY     what another policy would have decided about the calls of past runs

All of them ask `sympozium.policy`, the same functions that the webhook, the controllers and the tool server ask.
"""
