"""A small stateful ``docker`` for the demo's units: the standard library only, and few imports, since each call is a process."""
