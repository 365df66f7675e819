"""Consumers' names: which network each follows."""

from pytest_django.fixtures import Settings

from chain.consumers import is_consumer_of_network, name_consumer


def test_a_name_with_a_network_is_for_that_network_alone(settings: Settings):
    assert name_consumer("registry") == "registry:regtest"
    assert is_consumer_of_network("registry:regtest")
    assert is_consumer_of_network("tests")

    settings.CADASTRE_NETWORK = "signet"

    assert not is_consumer_of_network("registry:regtest")
    assert is_consumer_of_network("tests")
