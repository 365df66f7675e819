"""Values that several commands take, read strictly; argparse turns the error into wrong usage."""

import argparse
import math
import re

LINK_HELP = "the link, or - to read it from standard input"
AMOUNT_MSAT_MAX = 2**63 - 1
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
