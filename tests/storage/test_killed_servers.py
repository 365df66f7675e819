"""A server that is killed a hundred times while it takes encrypted files: every upload ends byte-exact and decrypts."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from storage.services.receiving import PIECE_BYTES
from storage.services.uploads import get_storage_name
from tests.factories.storage import digest
from tests.storage.live_servers import LiveServer

KILLS = 100
KILLS_PER_UPLOAD = 10
PLAINTEXT_BYTES = 1_500_000
SEED = 1368

pytestmark = [pytest.mark.slow, pytest.mark.own_engine]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose master has loaded everything, so that a killed worker is replaced in no time."""
    options = ["--preload", "--log-level", "critical"]
    live = LiveServer(tmp_path, options=options, CADASTRE_UPLOAD_CHECKPOINT_BYTES="65536")
    yield live
    live.stop()
    live.listener.close()


class EncryptedUpload:
    """An upload of an age file, and what is known of it for certain."""

    def __init__(self, server: LiveServer, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.plaintext = chance.randbytes(PLAINTEXT_BYTES)
        self.identity = pyrage.x25519.Identity.generate()
        self.content = pyrage.encrypt(self.plaintext, [self.identity.to_public()])
        self.path = server.create(len(self.content))
        self.partial = server.folder / "uploads" / self.path.rpartition("/")[2]
        self.offset = self.sent = 0

    def kill_while_sending(self) -> None:
        """Kill the server somewhere in a request, and check that it kept all that counted and nothing else."""
        rest = self.content[self.offset :]
        cut = self.chance.randint(1, len(rest))
        self.sent = max(self.sent, self.offset + cut)
        with self.server.begin_patch(self.path, len(rest), rest[:cut], offset=self.offset):
            has_piece = self.offset % PIECE_BYTES + cut >= PIECE_BYTES
            if self.chance.random() < 0.5 and has_piece:
                # It has written a piece at least; else it is killed in the middle of the first.
                self.server.wait_for(lambda: self.partial.exists() and self.partial.stat().st_size > self.offset)
            self.server.kill_worker()
        offset = self.server.get_offset(self.path)
        # A request that had not been accepted when the worker was killed is taken by the next one, however late.
        assert self.offset <= offset <= self.sent
        assert not offset or self.partial.read_bytes()[:offset] == self.content[:offset]
        self.offset = offset

    def kill_while_linking(self) -> None:
        """Send what is missing, ask for the link, and kill the server before it has answered."""
        while (offset := self.server.get_offset(self.path)) < len(self.content):
            assert self.server.patch(self.path, offset, self.content[offset:]).status in {204, 409, 423}
        body = json.dumps(self.server.describe_link(self.path, self.content)).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"killed{self.path}"}
        with self.server.begin("POST", "/links", len(body), body, headers=headers):
            if self.chance.random() < 0.5:
                self.server.wait_for(lambda: not self.partial.exists())
            self.server.kill_worker()

    def finish(self) -> None:
        """Make the link, and check what is stored."""
        self.server.make_link(self.path, self.content)
        stored = self.server.folder / "blobs" / get_storage_name(digest(self.content).sha256)
        assert stored.read_bytes() == self.content
        assert pyrage.decrypt(stored.read_bytes(), [self.identity]) == self.plaintext
        assert not self.partial.exists()


def test_every_upload_to_a_server_that_is_killed_a_hundred_times_ends_byte_exact_and_decrypts(server: LiveServer):
    chance = random.Random(SEED)
    kills = 0
    while kills < KILLS:
        upload = EncryptedUpload(server, chance)
        while kills % KILLS_PER_UPLOAD < KILLS_PER_UPLOAD - 1 and upload.offset < len(upload.content):
            upload.kill_while_sending()
            kills += 1
        upload.kill_while_linking()
        kills += 1
        upload.finish()
