"""Names of those that follow the chain. One that keeps several networks apart follows each under a name of its own."""

from django.conf import settings


def name_consumer(name: str) -> str:
    """Return the name under which a consumer follows the settings' network."""
    return f"{name}:{settings.CADASTRE_NETWORK}"


def is_consumer_of_network(consumer: str) -> bool:
    """Return whether a consumer follows the settings' network, as one does whose name has no network."""
    name, _, _ = consumer.partition(":")
    return consumer in {name, name_consumer(name)}
