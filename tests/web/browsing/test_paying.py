"""Links with a price, and links that end, in the browser."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from storage.models import Link
from tests.factories.payouts import fund_reader, get_balance_msat
from tests.web.browsing.saving import get_link_id, save
from users.models import User
from users.services.accounts import create_user

pytestmark = pytest.mark.django_db(transaction=True)

Share = Callable[..., str]
Open = Callable[..., BrowserContext]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A file to sell."""
    path = tmp_path / "song.bin"
    path.write_bytes(random.Random(6).randbytes(500_000))
    return path


def test_a_reader_with_balance_is_asked_and_pays_once(
    share: Share, open_context: Open, carol: User, song: Path, tmp_path: Path
):
    link = share(song, price="2.5")
    fund_reader(carol, 10)
    reader = open_context(carol).new_page()
    reader.goto(link)

    reader.get_by_role("button", name="Download").click()
    dialog = reader.get_by_role("dialog")
    expect(dialog).to_contain_text("2,500 msat (2.5 sat)")
    expect(dialog.locator("#balance")).to_have_text("10,000 msat (10 sat)")
    assert get_balance_msat(carol) == 10_000
    assert save(reader, "Pay and download", tmp_path / "saved") == song.read_bytes()

    assert get_balance_msat(carol) == 7_500
    assert save(reader, "Download", tmp_path / "again") == song.read_bytes()
    assert get_balance_msat(carol) == 7_500


def test_nothing_is_paid_by_who_says_not_now(share: Share, open_context: Open, carol: User, song: Path):
    link = share(song, price="1")
    fund_reader(carol, 10)
    reader = open_context(carol).new_page()
    reader.goto(link)

    reader.get_by_role("button", name="Download").click()
    reader.get_by_role("button", name="Not now").click()

    expect(reader.get_by_role("dialog")).to_be_hidden()
    expect(reader.get_by_role("button", name="Download")).to_be_focused()
    assert get_balance_msat(carol) == 10_000


def test_a_balance_that_is_not_enough_leads_to_a_deposit(share: Share, open_context: Open, carol: User, song: Path):
    link = share(song, price="5")
    fund_reader(carol, 1)
    reader = open_context(carol).new_page()
    reader.goto(link)

    reader.get_by_role("button", name="Download").click()

    expect(reader.get_by_text("Your balance is not enough.")).to_be_visible()
    expect(reader.locator("#pay-button")).to_be_disabled()
    reader.get_by_role("button", name="Show a deposit address").click()
    expect(reader.locator("#deposit-address")).to_have_text(re.compile("^bcrt1"))
    expect(reader.get_by_role("img", name="The deposit address as a QR code")).to_be_visible()


def test_who_signs_in_to_pay_comes_back_with_the_key(share: Share, open_context: Open, song: Path, tmp_path: Path):
    dora = create_user(username="dora", password="a long sentence", email="", now=timezone.now())
    fund_reader(dora, 10)
    link = share(song, price="1")
    reader = open_context().new_page()
    reader.goto(link)

    reader.get_by_role("button", name="Download").click()
    reader.get_by_role("dialog").get_by_role("link", name="Sign in").click()
    reader.fill("#id_username", "dora")
    reader.fill("#id_password", "a long sentence")
    reader.get_by_role("main").get_by_role("button", name="Sign in").click()

    expect(reader.locator("h1")).to_have_text("song.bin")
    assert reader.url == link
    reader.get_by_role("button", name="Download").click()
    assert save(reader, "Pay and download", tmp_path / "saved") == song.read_bytes()
    assert get_balance_msat(dora) == 9_000


def test_the_owner_takes_the_own_file_for_nothing(share: Share, desk: Page, song: Path, tmp_path: Path):
    desk.goto(share(song, price="5"))

    assert save(desk, "Download", tmp_path / "saved") == song.read_bytes()


def test_an_expired_link_says_so(share: Share, open_context: Open, song: Path):
    link = share(song, expiry="3600")
    row = Link.objects.get(id=get_link_id(link))
    assert row.expires_at is not None
    assert timedelta(minutes=59) < row.expires_at - timezone.now() <= timedelta(hours=1)
    Link.objects.filter(id=row.id).update(expires_at=timezone.now())
    reader = open_context().new_page()

    answer = reader.goto(link)

    assert answer is not None
    assert answer.status == 410
    expect(reader.locator("main")).to_contain_text("Its time is over.")


def test_a_link_for_one_transfer_serves_one(share: Share, open_context: Open, song: Path, tmp_path: Path):
    link = share(song, transfers="1")
    first, second = open_context().new_page(), open_context().new_page()
    first.goto(link)
    second.goto(link)

    assert save(first, "Download", tmp_path / "saved") == song.read_bytes()
    second.get_by_role("button", name="Download").click()

    expect(second.locator("#problem")).to_contain_text("This link has ended")


def test_an_owner_changes_and_deletes_a_link(share: Share, desk: Page, song: Path):
    link = share(song)
    desk.goto("/files/")

    desk.get_by_role("link", name="Change").click()
    desk.fill("#id_price_sat", "1.25")
    desk.fill("#id_transfers_max", "3")
    desk.get_by_role("button", name="Save").click()
    expect(desk.locator("main")).to_contain_text("1,250 msat")
    expect(desk.locator("main")).to_contain_text("0 of 3")
    desk.locator("summary", has_text="Delete").click()
    desk.get_by_role("button", name="Delete for ever").click()

    expect(desk.locator("main")).to_contain_text("You have not shared a file yet.")
    assert desk.request.get(link.split("#")[0]).status == 410
