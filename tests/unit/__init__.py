"""What runs on the far side, run here: no root, no host, no connection."""
