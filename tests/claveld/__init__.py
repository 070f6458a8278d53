"""Of the package of that name."""
