"""The pages of the chain of anchors, as anonymous visitors see them."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from registry.models import Anchor, AnchorTransaction
from tests.factories.registry import make_anchor, make_register, mine_block
from tests.web.readers import read_text
from web.selectors.anchors import PAGE_ANCHORS

pytestmark = pytest.mark.django_db


def get_txid(anchor: Anchor) -> str:
    """Return the txid of the version that counts."""
    assert anchor.current is not None
    return anchor.current.txid


def add_replaced_version(anchor: Anchor, *, txid: str = "cd" * 32) -> AnchorTransaction:
    """Give an anchor an earlier version beside the one that counts."""
    assert anchor.current is not None
    return AnchorTransaction.objects.create(
        anchor=anchor,
        version=1,
        txid=txid,
        raw=bytes(anchor.current.raw),
        fee_sat=99,
        continuation_sat=1_000,
        signed_at=anchor.changed_at,
    )


def test_before_the_founding_there_is_no_chain(client: Client):
    assert "has not been founded" in read_text(client.get("/anchors/"))


def test_a_register_without_anchors_shows_its_identity(client: Client):
    register = make_register()

    text = read_text(client.get("/anchors/"))

    assert f"{register.first_txid} :0" in text
    assert "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206" in text
    assert "No batch has been anchored yet" in text


def test_the_chain_is_listed_from_its_first_output_on(client: Client):
    anchors = [make_anchor() for _ in range(3)]

    page = client.get("/anchors/")

    text = page.content.decode()
    places = [text.index(f'href="/anchors/{get_txid(anchor)}/"') for anchor in anchors]
    assert places == sorted(places)
    assert 'href="/api/v1/anchors"' in text
    assert "Anchors 3" in read_text(page)


def test_a_long_chain_goes_on_where_it_stopped(client: Client):
    anchors = [make_anchor() for _ in range(PAGE_ANCHORS + 1)]

    first = client.get("/anchors/").content.decode()
    second = client.get(f"/anchors/?from={PAGE_ANCHORS}").content.decode()

    assert f"?from={PAGE_ANCHORS}" in first
    assert get_txid(anchors[-1]) not in first
    assert get_txid(anchors[-1]) in second
    assert 'href="/anchors/" rel="prev"' in second


def test_a_page_beyond_the_chain_says_so(client: Client):
    make_anchor()

    assert "No anchor from there on" in read_text(client.get("/anchors/?from=1000000"))


@pytest.mark.parametrize(
    "address",
    ["/anchors/?from=-1", "/anchors/?from=x", f"/anchors/{'00' * 32}/", "/anchors/12/", f"/anchors/{'AB' * 32}/"],
)
def test_what_is_not_there_is_not_found(client: Client, address: str):
    assert client.get(address).status_code == 404


def test_an_anchor_shows_what_it_spends_and_what_spends_it(client: Client):
    before, anchor, after = make_anchor(), make_anchor(), make_anchor()

    page = client.get(f"/anchors/{get_txid(anchor)}/")

    text = page.content.decode()
    assert f'href="/anchors/{get_txid(before)}/" rel="prev"' in text
    assert f'href="/anchors/{get_txid(after)}/" rel="next"' in text
    assert f"{get_txid(before)}:0" in read_text(page)
    assert anchor.block_hash in read_text(page)


def test_the_first_anchor_spends_the_registers_first_outpoint(client: Client):
    text = read_text(client.get(f"/anchors/{get_txid(make_anchor())}/"))

    assert f"the register's first outpoint {'11' * 32}:0" in text


def test_every_version_leads_to_the_anchor_and_says_which_one_counts(client: Client):
    anchor = make_anchor()
    replaced = add_replaced_version(anchor)

    text = read_text(client.get(f"/anchors/{replaced.txid}/"))

    assert f"You asked for {replaced.txid}" in text
    assert f"Version 0 in block {anchor.height} {get_txid(anchor)}" in text
    assert f"Version 1 replaced {replaced.txid}" in text


@pytest.mark.parametrize("state", Anchor.State.values)
def test_each_state_is_told(client: Client, state: str):
    anchor = make_anchor(state=Anchor.State(state))

    text = read_text(client.get(f"/anchors/{get_txid(anchor)}/"))

    assert f"{state} " in text
    assert ("none yet" in text) == (state in {"SIGNED", "BROADCAST"})


def test_an_anchor_that_waits_names_the_block_of_its_deadline(client: Client, settings: Settings):
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = 12
    anchor = make_anchor(state=Anchor.State.BROADCAST)
    Anchor.objects.filter(id=anchor.id).update(waiting_from_height=1_000)

    waiting = read_text(client.get(f"/anchors/{get_txid(anchor)}/"))

    assert "if it is in no block by 1,012, it is signed again" in waiting
    mine_block([bytes(AnchorTransaction.objects.get().raw)])
    assert "Deadline" not in read_text(client.get(f"/anchors/{get_txid(anchor)}/"))


def test_the_pages_take_the_same_number_of_queries_however_long_the_chain(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
):
    anchors = [make_anchor() for _ in range(12)]
    for number in range(5):
        AnchorTransaction.objects.create(
            anchor=anchors[5],
            version=number + 1,
            txid=f"{number:064x}",
            raw=b"",
            fee_sat=1,
            continuation_sat=1,
            signed_at=anchors[5].changed_at,
        )

    with django_assert_max_num_queries(5):
        client.get("/anchors/")
    with django_assert_max_num_queries(6):
        client.get(f"/anchors/{get_txid(anchors[5])}/")
