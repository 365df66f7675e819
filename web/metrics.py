"""Prometheus's text format, version 0.0.4: docs/reference/metrics.md lists what this server writes in it.

The format is a few lines, so this is the whole of it. Every value here is read from the database when it is asked for,
by whichever process is asked; a client library's counters in memory would differ from process to process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name, what it says, and its samples, each with its labels."""

    name: str
    text: str
    samples: tuple[tuple[Mapping[str, str], int], ...]


@dataclass(slots=True)
class Gauges:
    """Collects gauges in the order in which they are written."""

    found: list[Gauge] = field(default_factory=list)

    def add(self, name: str, text: str, value: int) -> None:
        """Add a gauge without labels."""
        self.found.append(Gauge(name, text, (({}, value),)))

    def add_labelled(self, name: str, text: str, samples: Iterable[tuple[Mapping[str, str], int]]) -> None:
        """Add a gauge with a sample for each set of labels."""
        self.found.append(Gauge(name, text, tuple(samples)))


def write_metrics(gauges: Iterable[Gauge]) -> str:
    """Return gauges in the text format; one without samples is left out."""
    return "".join(_write_gauge(gauge) for gauge in gauges if gauge.samples)


def _write_gauge(gauge: Gauge) -> str:
    lines = [f"# HELP {gauge.name} {_escape(gauge.text)}", f"# TYPE {gauge.name} gauge"]
    for labels, value in gauge.samples:
        written = ",".join(f'{name}="{_escape(text, is_quoted=True)}"' for name, text in labels.items())
        lines.append(f"{gauge.name}{{{written}}} {value}" if written else f"{gauge.name} {value}")
    return "\n".join(lines) + "\n"


def _escape(text: str, *, is_quoted: bool = False) -> str:
    escaped = text.replace("\\", r"\\").replace("\n", r"\n")
    return escaped.replace('"', r"\"") if is_quoted else escaped
