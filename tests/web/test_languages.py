"""English and French: which page speaks which, and that nothing lacks its French."""

import re

import pytest
from django.test import Client

from scripts import messages
from tests.factories.registry import make_linked_record
from tests.web.readers import read_text
from users.models import User

FRENCH = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}
HOLE = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>")


def list_messages() -> list[tuple[object, object]]:
    """Return every sentence of the code with its French, "" where there is none."""
    catalog = messages.read_catalog()
    found = ((message.id, catalog.get(message.id)) for message in messages.collect() if message.id)
    return [(sentence, known.string if known else "") for sentence, known in found]


def test_no_sentence_lacks_its_french():
    assert [sentence for sentence, french in list_messages() if not messages.is_translated(french)] == []


def test_the_french_has_the_same_holes():
    def read_holes(text: object) -> list[set[str]]:
        parts = text if isinstance(text, tuple) else (text,)
        return [set(HOLE.findall(part)) for part in parts]

    assert [sentence for sentence, french in list_messages() if read_holes(sentence) != read_holes(french)] == []


def test_no_french_is_left_of_sentences_that_are_gone():
    wanted = {message.id for message in messages.collect()}

    assert [message.id for message in messages.read_catalog() if message.id not in wanted] == []


def test_the_compiled_catalogue_is_that_of_its_source():
    assert messages.compile_catalog(messages.read_catalog()) == messages.COMPILED.read_bytes(), "run `make messages`"


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/sign-in", "/sign-up", "/upload"])
def test_pages_that_people_meet_speak_french(client: Client, address: str):
    answer = client.get(address, headers=FRENCH)

    assert '<html lang="fr">' in answer.content.decode()
    assert '<main id="content" class="column" lang="fr">' in answer.content.decode()
    assert answer.headers["Content-Language"] == "fr"
    assert "Accept-Language" in answer.headers["Vary"]
    assert "Se connecter" in read_text(answer)


@pytest.mark.django_db
def test_own_files_and_links_speak_french(client: Client, bob: User):
    link, _ = make_linked_record(bob, price_msat=2_500)
    client.force_login(bob)

    assert "Mes fichiers" in read_text(client.get("/files/", headers=FRENCH))
    text = read_text(client.get(f"/f/{link.id}", headers=FRENCH))
    assert "un transfert 2,500 msat (2.5 sat)" in text
    assert "qui a envoyé" in text


@pytest.mark.django_db
def test_a_page_that_is_not_translated_says_that_its_text_is_english(client: Client):
    html = client.get("/records/", headers=FRENCH).content.decode()

    assert '<html lang="fr">' in html
    assert '<main id="content" class="column" lang="en">' in html


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/api/v1/balance", "/api/v1/nothing"])
def test_the_api_speaks_english_to_every_browser(client: Client, address: str):
    french, english = client.get(address, headers=FRENCH), client.get(address)

    assert french.json() == english.json()
    assert french.headers["Content-Language"] == "en"


@pytest.mark.django_db
def test_the_admin_speaks_english(desk: Client):
    assert "What waits for each sweep" in desk.get("/admin/", headers=FRENCH).content.decode()
