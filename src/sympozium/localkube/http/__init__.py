"""HTTPS: ASGI on uvicorn, with the client's certificate and streams that end when the server does.

| module | concern |
|---|---|
| `asgi` | the application: ASGI to `wire.Request` and back |
| `protocol` | uvicorn's HTTP protocol with the peer certificate in the scope |
| `server` | TLS, sockets, signals, draining |
"""
