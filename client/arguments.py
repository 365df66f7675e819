"""Values that several commands take, read strictly; argparse turns the error into wrong usage."""

import argparse
import math
import re
from datetime import UTC, datetime

from client.errors import UsageError
from client.terms import TRANSFERS_MAX_MAX, parse_expiry

LINK_HELP = "the link, or - to read it from standard input"
AMOUNT_MSAT_MAX = 2**63 - 1

# Each holds a segment of 4 MiB or two in memory; more than that helps only against a distant server.
JOBS = 4
JOBS_MAX = 64
_RATE = re.compile("([1-9][0-9]{0,11})([kMG]?)")
_RATE_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}


def parse_amount_msat(text: str) -> int:
    """Read a whole number of millisatoshi."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) > AMOUNT_MSAT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of millisatoshi")
    return int(text)


def parse_rate(text: str) -> int:
    """Read a rate in bytes per second, with a unit of k, M or G for powers of 1000."""
    match = _RATE.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate like 500k")
    return int(match[1]) * _RATE_UNITS[match[2]]


def parse_seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not math.isfinite(seconds) or seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def parse_count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not re.fullmatch("[1-9][0-9]{0,18}", text) or int(text) > TRANSFERS_MAX_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def parse_jobs(text: str) -> int:
    """Read how many files are worked on at once."""
    count = parse_count(text)
    if count > JOBS_MAX:
        raise argparse.ArgumentTypeError(f"at most {JOBS_MAX} at once")
    return count


def check_expiry(text: str) -> str:
    """Check a duration or a time, and leave it as it was typed."""
    try:
        parse_expiry(text, now=datetime.now(UTC))
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that move many files at once."""
    parser.add_argument(
        "--jobs", type=parse_jobs, default=JOBS, metavar="N", help=f"how many at once (default: {JOBS})"
    )
    parser.add_argument("--limit-rate", type=parse_rate, metavar="RATE", help="bytes per second, such as 500k or 2M")


def add_terms(parser: argparse.ArgumentParser) -> None:
    """Add the options that say on what terms a link is made."""
    parser.add_argument(
        "--price-msat",
        type=parse_amount_msat,
        default=0,
        metavar="N",
        help="price of one transfer (default: 0)",
    )
    parser.add_argument(
        "--expires", type=check_expiry, metavar="WHEN", help="end the link after 90m, 12h or 7d, or at an RFC 3339 time"
    )
    parser.add_argument("--transfers-max", type=parse_count, metavar="N", help="end the link after so many transfers")
