"""The text format that Prometheus reads, version 0.0.4."""

from hypothesis import given
from hypothesis import strategies as st

from tests.web.readers import read_metrics
from web.metrics import Gauge, Gauges, write_metrics


def test_a_gauge_is_written_with_its_help_and_type():
    gauges = Gauges()
    gauges.add("cadastre_healthy", "1 if it is.", 1)

    assert write_metrics(gauges.found) == (
        "# HELP cadastre_healthy 1 if it is.\n# TYPE cadastre_healthy gauge\ncadastre_healthy 1\n"
    )


def test_each_set_of_labels_is_a_sample_of_one_gauge():
    gauges = Gauges()
    gauges.add_labelled("rows", "Rows.", [({"queue": "a", "sweep": "b"}, 2), ({"queue": "c", "sweep": "b"}, 0)])

    written = write_metrics(gauges.found).splitlines()

    assert written[2:] == ['rows{queue="a",sweep="b"} 2', 'rows{queue="c",sweep="b"} 0']


def test_a_gauge_without_samples_is_left_out():
    assert write_metrics([Gauge("rows", "Rows.", ())]) == ""


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_stands_in_a_label_is_read_back(text: str):
    written = write_metrics([Gauge("rows", text, (({"queue": text}, 7),))])

    assert read_metrics(written) == {("rows", (("queue", text),)): 7}
