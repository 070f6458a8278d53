"""The daemon on a unit: asks claveld for its Deployments by name, and applies them with the engine that pushes use."""
