"""Real hosts on one Debian 12 machine, for tests and for trying things by hand.

A host is a set of Linux namespaces with an init, an OpenSSH server, a Docker Engine and a Nix store
of its own. Hosts of one lab share a bridge and an image registry and reach nothing else. Faults are
real ones: a cable that is down, a process tree that is frozen, a pid 1 that is killed.
"""
