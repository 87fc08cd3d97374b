"""The API server: REST under `/api/v1`, live streams, the dashboard, the endpoints of agents.

    main        the process: settings, start, drain
    app         FastAPI over Parts: routes, errors, the dashboard's files
    parts       what all requests share: the server's own client, access reviews, copies, the bus
    access      who asks: a Caller with a Kubernetes client of their own
    copies      all objects of our kinds, kept by watches
    bus         one connection to the bus, to read with
    feed/       live runs: one reader of the bus for all who look at a run
    streams/    streams over HTTP: changes of kinds, viewers, limits, the end
    connection  a connection that can be cut
    problems    errors as RFC 9457 problems
    queries     query parameters that a route does not know
    unknown     paths and methods that there are not
    runs/       what is made of runs: summaries, the list and its search, usage, what one run did
    models/     the JSON of answers and requests; web/openapi.json is made from it
    routes/     one module for each group of routes

Whose authority: a request acts with the Kubernetes credentials of whoever sends it, and Kubernetes RBAC decides. The
server's own identity can read our kinds and the bus. What is answered from those copies is shown only after
an access review made as the caller (docs/decisions/0012-whose-authority-the-api-server-has.md).
"""
