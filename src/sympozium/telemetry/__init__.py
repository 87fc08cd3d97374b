"""Logs, metrics and health of every long-lived process.

Nothing of this is imported by the containers of a pod unless they ask for it; each module stands alone.
Traces (OpenTelemetry) come with the issue that needs them.
"""
