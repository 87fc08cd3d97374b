"""Requests from outside to triggers: `route` takes them, `payload` reads them, `fire` makes what they cause."""
