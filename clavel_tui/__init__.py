"""clavel-tui: see what a fleet runs, what it should run, and put it right, or back."""

__version__ = "0.1.0"
