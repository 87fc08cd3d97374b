"""What the API server makes of AgentRuns.

    summary     a run's object as a line of a list
    scope       of which namespaces somebody may see runs
    listing     all runs as people ask for them: the index finds, the copies show
    index       a table and their texts in SQLite's memory; query, labels and search make its SQL
    batches     changes of runs, handed to a thread
    ledger      a row for each run that has ended, kept when the run is gone; usage sums it, with prices
    messages    what one run has said, for timing (a waterfall) and decisions
    family      the tree of runs that started runs

Index and ledger each have a thread of their own, which alone touches their SQLite.
"""
