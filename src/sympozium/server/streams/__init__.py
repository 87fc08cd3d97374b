"""Streams of events over HTTP.

changes     what changes among the objects of a kind, for one who may see some namespaces
viewer      one stream: takes from its sources, says when nothing comes, asks again whether it may go on
response    the viewer over ASGI: one that reads too slowly is let go
registry    all streams: their limits, and their end when the server stops
"""
