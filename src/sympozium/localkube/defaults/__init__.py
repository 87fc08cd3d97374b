"""What the API server fills in, owns and refuses for each built-in kind.

`strategy.Strategy` is what one kind has; `table.STRATEGIES` has them all. Functions here are pure and
change the object that they are given.
"""
