"""The console: keys pressed, screens looked at."""
