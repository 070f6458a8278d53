"""Widgets that know cells and nothing of the fleet."""
