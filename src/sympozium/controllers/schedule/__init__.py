"""AgentRuns at set times: `ticks` says when, `decide` says whether, `controller` does it."""
