"""Screens: each shows one thing, takes keys, and posts what was asked for."""
