"""Between machines: the way of agents and consoles to a claveld."""
