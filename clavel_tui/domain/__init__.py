"""The words of the fleet: frozen models and pure decisions. Nothing here opens a file, a socket or a clock."""
