"""What every test can ask for: a development node, and databases that can be flushed."""

pytest_plugins = ["tests.nodes", "tests.databases"]
