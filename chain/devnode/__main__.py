"""Run the development node without Django: `python -m chain.devnode --data DIR`."""

import argparse
import logging
import sys

from chain.devnode.command_line import add_arguments, read_options
from chain.devnode.server import run_server


def main() -> int:
    """Read the command line and serve until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m chain.devnode", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        options = read_options(**vars(arguments))
    except ValueError as error:
        parser.error(str(error))
    return run_server(options)


if __name__ == "__main__":
    sys.exit(main())
