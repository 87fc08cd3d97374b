"""What the API server makes of AgentRuns."""
