"""Runs that events cause: `controller` over `policy.triggers`, `events` for what Kubernetes tells."""
