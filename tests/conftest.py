"""What every test can ask for: a development node, a browser, small disks, and databases that can be flushed."""

pytest_plugins = ["tests.nodes", "tests.databases", "tests.browsers", "tests.small_disks"]
