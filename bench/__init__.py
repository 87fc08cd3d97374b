"""Figures, never tests: `make bench`, or `python -m bench NAME`. Each prints a small table."""
