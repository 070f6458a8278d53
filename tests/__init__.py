"""The suite: `.ci/test`, and with real hosts `.ci/test --lab`."""
