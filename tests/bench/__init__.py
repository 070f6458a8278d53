"""Benchmarks: what the console costs, as a ratio against named peers measured in the same run.

By hand, on a quiet machine:

    python -m tests.bench [refresh cold start] [--hosts 8 50 200] [--runs 5] [--install-peers] [--json FILE]

Absolute times belong to the machine and to its load; a ratio of medians of interleaved runs (A B C A B C …) carries further.
"""
