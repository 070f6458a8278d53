"""clavel-agent's composition root."""
