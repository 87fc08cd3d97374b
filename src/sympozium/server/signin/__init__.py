"""How people sign in with a browser, and what their browser keeps.

    keys        the keys of the Secret `sympozium-server`: what is sealed with them only this installation can open
    session     what a session is, and which cookies hold it
    tickets     one-time links: a signed-in command line opens a browser
    signin      these together, as requests meet them

A session holds the credential itself, sealed, in the browser. So a restarted server knows its users, and nobody who
reads a database of sessions becomes them: there is none.
"""
