"""The rehearsal model: an OpenAI-compatible endpoint that follows a script, and says so.

For `make demo` on a machine without a model, and for tests, where the model's words are the one
thing that may be made up. `python -m sympozium.rehearsal --port N [--script FILE]`; the format
of scripts is in docs/rehearsal.md. A leaf that imports nothing of ours: the agent must not be
able to tell it from any other endpoint.

It keeps no conversation. What comes next is worked out from the messages of each request, as a
real model would, so restarts and several clients at once need no care.
"""
