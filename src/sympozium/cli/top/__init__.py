"""`sympozium top`: what is going on, at a terminal, as it happens.

    board     which runs there are and in which order, counts and tokens; pure
    pages     what is on the screen, as lines of styled text, and what a key does to it; pure
    text      styles, columns and wrapping; pure
    screen    the terminal, by curses
    app       watches, the loop, and what a person decides

curses comes with Python, starts in 20 ms and works over ssh in every terminal that terminfo knows; textual takes a second
and four times the memory to show the same table (docs/decisions/0002-dependencies.md).
"""
