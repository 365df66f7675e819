"""How pages write hashes, amounts, shares, sizes and spans of time."""

import json
from datetime import datetime

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry.models import Register
from web.addresses import get_batch_address, get_chain_address, name_register

register = template.Library()

GROUP_DIGITS = 8
MSAT_PER_SAT = 1_000
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3_600, 86_400
SPAN_UNITS = 2
"""From how many of a unit on a span is told in it: 90 seconds, then 2 minutes."""


@register.filter
def hexadecimal(value: bytes | memoryview) -> str:
    """Return bytes in hexadecimal."""
    return bytes(value).hex()


@register.filter
def hash_code(value: str | bytes | memoryview) -> SafeString:
    """Return a hash (bytes, or hexadecimal already) in groups that wrap on a narrow screen and copy without spaces."""
    text = value if isinstance(value, str) else bytes(value).hex()
    groups = [text[at : at + GROUP_DIGITS] for at in range(0, len(text), GROUP_DIGITS)]
    return format_html(
        '<code class="hash">{}</code>', format_html_join("", "<span>{}</span><wbr>", ((group,) for group in groups))
    )


@register.filter
def as_json(value: object) -> str:
    """Return a value of a record's details as JSON, a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


@register.filter
def number(value: int) -> str:
    """Return an integer with commas between thousands."""
    return f"{value:,}"


@register.filter
def msat(value: int) -> str:
    """Return an amount of millisatoshi, also in satoshi where it is one or more: 1,500 msat (1.5 sat)."""
    whole, rest = divmod(abs(value), MSAT_PER_SAT)
    if not whole:
        return f"{value:,} msat"
    fraction = f".{rest:03}".rstrip("0").rstrip(".")
    return f"{value:,} msat ({'-' if value < 0 else ''}{whole:,}{fraction} sat)"


@register.filter
def percent(part: int, whole: int) -> str:
    """Return a part of a whole in percent, exactly, up to eight decimals."""
    scaled = part * 10**10 // whole
    digits = f"{scaled // 10**8}.{scaled % 10**8:08}".rstrip("0").rstrip(".")
    return f"{digits} %"


@register.filter
def moment(value: datetime) -> SafeString:
    """Return a time to the second, in UTC, with the machine's form beside it."""
    return format_html(
        '<time datetime="{}">{} UTC</time>', value.strftime("%Y-%m-%dT%H:%M:%SZ"), value.strftime("%Y-%m-%d %H:%M:%S")
    )


@register.filter
def span(seconds: int) -> str:
    """Return a span of time in the largest unit of which there are at least two."""
    for unit, length in (("days", DAY_SECONDS), ("hours", HOUR_SECONDS), ("minutes", MINUTE_SECONDS)):
        if seconds >= SPAN_UNITS * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} {'second' if seconds == 1 else 'seconds'}"


@register.simple_tag(takes_context=True)
def batch_address(context: Context, of: Register, seq: int) -> str:
    """Return the address of a batch's page."""
    return get_batch_address(of, seq, active=context["active_register"])


@register.simple_tag(takes_context=True)
def chain_address(context: Context, of: Register, seq: int = 0) -> str:
    """Return the address of a register's chain of anchors, from a batch's number on."""
    return get_chain_address(of, seq, active=context["active_register"])


@register.simple_tag(takes_context=True)
def named_register(context: Context, of: Register) -> str:
    """Return what the query of a page's own address ends with to stay with a register."""
    return name_register(of, active=context["active_register"], separator="&")
