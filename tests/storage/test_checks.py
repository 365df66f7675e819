import pytest

from storage import checks
from storage.checks import check_sha256
from storage.sha256 import find_functions


@pytest.mark.skipif(find_functions() is None, reason="this Python has no OpenSSL that ctypes reaches")
def test_says_nothing_where_digests_can_be_put_away():
    assert check_sha256(None) == []


def test_warns_where_they_cannot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "find_functions", lambda: None)

    assert [message.id for message in check_sha256(None)] == ["storage.W001"]
