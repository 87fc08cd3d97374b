"""What stands before the routes: ASGI middlewares, none of which holds a stream back.

    connections  how many there are, how long a request may take to arrive, TLS; below HTTP
    journal      a log line and metrics of every request, refused ones too
    headers      what browsers are told of every answer
    hosts        names under which we answer, against DNS rebinding
    bodies       how large a request may be, and how long its body may take
    origin       requests that a page of another site makes the browser send
    rates        how many requests one credential and one address may send

`order.around` puts them in their order; between the last two a session is opened (signin.signin).
"""
