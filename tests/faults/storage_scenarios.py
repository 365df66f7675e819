"""What is killed at every point in storage: erasing, with the refunds that follow from it."""

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.storage import storages

from payouts.models import Balance, Refund
from payouts.services.charges import charge_transfer, close_transfer
from payouts.services.ended_links import refund_ended_links
from registry.models import Record
from registry.services import records
from storage.models import Blob, Link
from storage.services.erasure import release_links
from storage.services.link_changes import delete_link
from tests.factories.storage import make_blob, make_link
from tests.factories.users import make_user
from tests.faults.scenarios import PRICE_MSAT, START, World

ALONE, EXPIRED, SHARED = b"alone", b"expired", b"shared"


class Erasing(World):
    """Links were ended: blobs without one are erased, one that is shared stays, and who paid in vain is refunded."""

    points_min = 26

    def __init__(self) -> None:
        super().__init__()
        settings.STORAGES["blobs"]["BACKEND"] = "tests.faults.backends.PointsAtRemovals"
        self.directory = Path(settings.STORAGES["blobs"]["OPTIONS"]["location"])
        self.saved = self.directory.with_name("blobs-starting-state")

    def prepare(self) -> None:
        """Store three blobs and end a link to each: one that was paid, one that expired, one that has another link."""
        super().prepare()
        bob, carol = make_user("bob"), make_user("carol")
        alone, expired, shared = [
            make_link(bob, blob=make_blob(content, now=START), price_msat=PRICE_MSAT, now=START)
            for content in (ALONE, EXPIRED, SHARED)
        ]
        make_link(bob, blob=shared.blob, now=START)
        for link in (alone, expired, shared):
            records.register_blob(blob_id=link.blob_id, now=START)
        Balance.objects.create(user=carol, balance_msat=PRICE_MSAT)
        begun = charge_transfer(payer=carol, link_id=alone.id, territory=None, price_max_msat=None, now=START)
        close_transfer(charge=begun, sent_bytes=1, fault=None, now=START)
        Link.objects.filter(id=expired.id).update(expires_at=START - timedelta(days=1), release_at=START)
        for link in (alone, shared):
            delete_link(link_id=link.id, owner_id=bob.id, now=START)
        shutil.copytree(self.directory, self.saved)

    def restore(self) -> None:
        """Bring the files back."""
        shutil.rmtree(self.directory)
        shutil.copytree(self.saved, self.directory)

    def sweep(self) -> None:
        """Erase, then refund."""
        release_links(now=self.now)
        refund_ended_links(now=self.now)

    def turn(self) -> None:
        """Let a moment pass; no block is needed."""
        self.now += timedelta(seconds=5)

    def is_done(self) -> bool:
        """Nothing is due any more, and the reader has the money back."""
        is_due = Link.objects.filter(release_at__lte=self.now, released_at=None).exists()
        is_due |= Blob.objects.filter(erased_at__isnull=False, removed_at=None).exists()
        return not is_due and Refund.objects.exists()

    def check(self) -> None:
        """The right bytes are gone, all rows are there, and the price returned once."""
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        shared = Blob.objects.get(length=len(SHARED), erased_at=None)
        assert [path.name for path in files] == [bytes(shared.sha256).hex()]
        with storages["blobs"].open(shared.storage_name) as stream:
            assert stream.read() == SHARED
        assert (Blob.objects.count(), Record.objects.count(), Link.objects.count()) == (3, 3, 4)
        assert Blob.objects.filter(removed_at__isnull=False, erased_at__isnull=False).count() == 2
        assert Link.objects.get(deleted_at=None, expires_at=None).manifest
        assert Refund.objects.get().amount_msat == PRICE_MSAT == Balance.objects.get().balance_msat


SCENARIOS = {"erasing": Erasing}
