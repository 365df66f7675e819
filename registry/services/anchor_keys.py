"""The keys whose outputs the anchors spend: the present one and, while they move, the next one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.keys import Key
from chain.networks import get_network
from registry.errors import AnchorKeyMissingError
from registry.models import AnchorScript, Register

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnchorKeys:
    """Keys by their P2WPKH scripts, and the one that the next continuation pays."""

    by_script: Mapping[bytes, Key]
    payee: Key


def get_anchor_keys() -> AnchorKeys:
    """Return the keys of the settings. The next one is paid if it is set; both sign what they own.

    Raises AnchorKeyMissingError if there is no key, KeyFormatError if one is not a key of the network.
    """
    if not settings.CADASTRE_ANCHOR_KEY:
        raise AnchorKeyMissingError
    network = get_network(settings.CADASTRE_NETWORK)
    texts = [settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_ANCHOR_NEXT_KEY]
    keys = [Key.from_wif(text, network) for text in texts if text]
    return AnchorKeys(by_script={key.script_pubkey: key for key in keys}, payee=keys[-1])


def note_anchor_scripts(*, register: Register, keys: AnchorKeys, now: datetime) -> None:
    """Make the keys' scripts known to the workers that follow the chain and may have no key themselves."""
    known = {bytes(script) for script in register.scripts.values_list("script", flat=True)}
    for script in keys.by_script:
        if script in known:
            continue
        try:
            with transaction.atomic(durable=True):
                AnchorScript.objects.create(register=register, script=script, added_at=now)
        except IntegrityError:
            logger.info("another worker noted the anchor script %s", script.hex())


def list_watched_scripts() -> set[bytes]:
    """Return the scripts of the network's anchor keys: those of its registers, and of this machine's settings."""
    rows = AnchorScript.objects.filter(register__network=settings.CADASTRE_NETWORK).values_list("script", flat=True)
    try:
        own = set(get_anchor_keys().by_script)
    except AnchorKeyMissingError:
        own = set()
    return {bytes(script) for script in rows} | own
