import dataclasses

from registry.proof.claims import describe_document
from registry.proof.documents import read_document
from registry.proof.sources import GivenHeaders
from tests.registry.proof.vectors import load


def test_an_unknown_kind_is_called_so():
    document = read_document(load("proof", "valid-only-leaf")["proof"].encode())
    unknown = dataclasses.replace(document, record=dataclasses.replace(document.record, kind=200))

    claims = describe_document(unknown, headers=GivenHeaders({}))

    assert claims.record is not None
    assert (claims.record.kind, claims.record.kind_name) == (200, "unknown kind")
    assert claims.level == "existed"
