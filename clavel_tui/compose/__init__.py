"""Docker Compose stacks on units: what they run, their releases, and the jobs that change them."""
