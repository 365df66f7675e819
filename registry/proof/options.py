"""The options that name sources of headers, the same for every command that verifies."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from registry.proof.agreements import AgreedHeaders, NamedSource
from registry.proof.chains import Checkpoint, HeaderChain, parse_checkpoint, read_chain
from registry.proof.errors import UsageError
from registry.proof.esplora import EsploraHeaders
from registry.proof.networks import MAIN, NETWORKS, Network, get_network
from registry.proof.sources import GivenHeaders, NodeHeaders, parse_given_header

_REPEATED = (
    ("header", "HEIGHT:HEX", "a block header you trust"),
    ("headers", "FILE", "a file of headers, which is checked from its genesis block, or the checkpoint, on"),
    ("node", "URL", "a Bitcoin node you trust: http://USER:PASSWORD@HOST:PORT"),
    ("esplora", "URL", "a block explorer you trust, by Esplora's interface: https://HOST/api"),
)
_SINGLE = (
    ("checkpoint", "HEIGHT:HASH", "a block that the headers files must have; a file may begin with it"),
    ("network", "NAME", f"the headers files' network, if not main: {', '.join(known.name for known in NETWORKS)}"),
)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those that name a source are repeatable, and can be mixed."""
    group = parser.add_argument_group("sources of headers, at least one; several must agree")
    for name, metavar, text in _REPEATED:
        group.add_argument(f"--{name}", action="append", default=[], metavar=metavar, help=f"{text}; repeatable")
    for name, metavar, text in _SINGLE:
        group.add_argument(f"--{name}", metavar=metavar, help=text)


def list_source_options(arguments: argparse.Namespace) -> list[str]:
    """Return the options of parsed arguments as a command line has them."""
    options = [(name, value) for name, _, _ in _REPEATED for value in getattr(arguments, name)]
    options += [(name, getattr(arguments, name)) for name, _, _ in _SINGLE if getattr(arguments, name) is not None]
    return [word for name, value in options for word in (f"--{name}", value)]


def has_source(arguments: argparse.Namespace) -> bool:
    """Say whether parsed arguments name a source."""
    return any(getattr(arguments, name) for name, _, _ in _REPEATED)


def make_sources(arguments: argparse.Namespace) -> AgreedHeaders:
    """Return the sources that parsed arguments name.

    Raises UsageError if there is none or an argument is wrong, a HeadersFileError if a headers file does not hold.
    """
    if not has_source(arguments):
        raise UsageError("name a source of headers: --header, --headers, --node or --esplora")
    if not arguments.headers and (arguments.checkpoint is not None or arguments.network is not None):
        raise UsageError("--checkpoint and --network are about a headers file: give --headers")
    checkpoint = None if arguments.checkpoint is None else parse_checkpoint(arguments.checkpoint)
    network = find_headers_network(arguments)
    # What is quickly found to be wrong comes first: a headers file takes a second.
    sources = _make_given(arguments.header)
    sources += [NamedSource(f"node {node.name}", node) for node in map(NodeHeaders, arguments.node)]
    sources += [NamedSource(f"explorer {site.name}", site) for site in map(EsploraHeaders, arguments.esplora)]
    sources += [
        NamedSource(f"file {path}", _read_file(path, network or MAIN, checkpoint)) for path in arguments.headers
    ]
    return AgreedHeaders(sources)


def find_headers_network(arguments: argparse.Namespace) -> Network | None:
    """Return the network that headers files must be of, the main one unless another is named; None without a file.

    A file does not choose its own network: anybody mines a chain of a test network, and calls it what they like.
    Raises UsageError if no network has the name.
    """
    if not arguments.headers:
        return None
    return MAIN if arguments.network is None else get_network(arguments.network)


@contextmanager
def open_file(path: str) -> Iterator[BufferedReader]:
    """Open a file to read; whatever the system has against that is wrong usage."""
    try:
        with Path(path).open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _make_given(texts: list[str]) -> list[NamedSource]:
    """Return the headers that were given one by one as a single source."""
    given = [parse_given_header(text) for text in texts]
    if len({height for height, _ in given}) != len(given):
        raise UsageError("two headers are given for one height")
    return [NamedSource("header that you gave", GivenHeaders(dict(given)))] if given else []


def _read_file(path: str, network: Network, checkpoint: Checkpoint | None) -> HeaderChain:
    with open_file(path) as stream:
        return read_chain(stream, network=network, checkpoint=checkpoint)
