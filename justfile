# The everyday commands. `just` alone lists them.

# list the recipes
default:
    @just --list

# the demo fleet on loopback
demo *args:
    .ci/demo {{args}}

# static checks and the tests; `just test --lab` adds real hosts
test *args:
    .ci/test {{args}}

# read the example fleet's files
check:
    .venv/bin/clavel-tui check --fleet hosts

# write the lock files anew (needs uv)
lock:
    printf 'hatchling>=1.27\neditables\n' | uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 --extra console --extra claveld pyproject.toml - -o requirements.lock
    uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 --extra console --extra claveld --extra nats --extra dev pyproject.toml -c requirements.lock -o tests/requirements.lock
    uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 --universal pyproject.toml -c requirements.lock -o tests/lab/agent.lock
    uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 --universal --extra nats --no-emit-package nkeys pyproject.toml -c tests/requirements.lock -o tests/lab/agent-nats.lock
    uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 --universal --extra claveld pyproject.toml -c requirements.lock -o tests/lab/claveld.lock

# pictures of the console for README.md, from the demo fleet
screenshots:
    .venv/bin/python -m tests.screenshots

# a lab of real hosts by hand (root, Debian)
lab *args:
    .venv/bin/python -m tests.lab {{args}}
