"""The coordinator: it evaluates Sources into Deployments and serves them to agents and consoles. It never builds."""
