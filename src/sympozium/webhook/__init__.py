"""Admission: the first of the three points at which policy holds.

    /mutate     a run is filled from its instance, and its trigger set from the request; a decision gets its author
    /validate   references exist, policy admits, specs make sense, nobody hands on authority they do not have

`main.run` is the process. Decisions themselves are `sympozium.policy`; this package looks up what they need.
"""
