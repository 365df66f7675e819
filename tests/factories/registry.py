"""Valid rows of the registry in their plainest state, made by the real services."""

from datetime import datetime

from django.db import transaction

from registry.models import Record
from registry.services.records import register_document


def make_document_record(*, now: datetime, kind: Record.Kind = Record.Kind.NOTICE) -> Record:
    """Register a small document: the plainest record, which waits to be sealed."""
    with transaction.atomic():
        return register_document(kind=kind, document={"text": "plain"}, now=now)
