"""What a person does with policies beside applying them.

    check       mistakes and oddities, with their lines; no cluster
    testing     assertions that stand beside policies (`cases`); no cluster
    trial       what policies say of one call that nobody has made
    explain     each decision about a run, with the rule and where it stands
    backtest    what another policy would have decided about the calls of past runs
    sources     objects of files and texts, with the lines of their fields
    calls       the tool calls of a run, from its messages
    rules       where the rule stands that a verdict names

All of them ask `sympozium.policy`, the same functions that the webhook, the controllers and the tool server ask.
"""

from typing import Final

TESTS: Final = (".test.yaml", ".test.yml")
"""How names of files with assertions end: no objects to apply."""
