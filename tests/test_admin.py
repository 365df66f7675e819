"""The admin has every model; facts are read-only there; every list page loads with a bounded number of queries."""

from collections.abc import Callable, Sequence

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from chain.networks import REGTEST
from database.admin import ReadOnlyAdmin
from registry.models import Register
from tests.factories.payouts import WALLET
from tests.factories.registry import ANCHOR_KEY
from tests.factories.stories import tell_of_a_record, tell_of_money
from tests.factories.users import make_user
from users.models import User

PACKAGES = ("users", "chain", "storage", "registry", "payouts")
MODELS = [model for package in PACKAGES for model in apps.get_app_config(package).get_models()]
FEW, MANY = 2, 12
ROWS_PER_PAGE = 50
QUERIES_MAX = 12


def name_model(model: type[Model]) -> str:
    """Return a model's label for the test's name."""
    return model._meta.label


@pytest.fixture
def staff(db: None) -> Client:
    """An administrator's browser."""
    user = User.objects.create_superuser(username="admin")
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", MODELS, ids=name_model)
def test_every_model_is_in_the_admin(model: type[Model]):
    assert admin.site.is_registered(model)


@pytest.mark.parametrize("model", [model for model in MODELS if model is not User], ids=name_model)
def test_facts_are_read_only(model: type[Model]):
    assert isinstance(admin.site._registry[model], ReadOnlyAdmin)


def count_queries(staff: Client, models: Sequence[type[Model]]) -> dict[str, int]:
    """Load every model's list page and count what each asks the database."""
    counted = {}
    for model in models:
        with CaptureQueriesContext(connection) as queries:
            page = staff.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        assert page.status_code == 200
        assert len(page.context["cl"].result_list) == min(model._default_manager.count(), ROWS_PER_PAGE), model
        counted[model._meta.label] = len(queries)
    return counted


@pytest.mark.parametrize("story", [tell_of_a_record, tell_of_money])
def test_every_list_page_takes_as_many_queries_for_many_rows_as_for_few(
    staff: Client, settings: Settings, story: Callable[[int], None]
):
    settings.CADASTRE_PAYOUT_XPUB = WALLET.xpub
    settings.CADASTRE_ANCHOR_KEY = ANCHOR_KEY.to_wif(REGTEST)
    of_money = [model for model in MODELS if model._meta.app_label == "payouts"]
    models = of_money if story is tell_of_money else [model for model in MODELS if model not in of_money]
    for number in range(FEW):
        story(number)
    few = count_queries(staff, models)
    for number in range(FEW, MANY):
        story(number)
    many = count_queries(staff, models)

    for model in models:
        assert model is Register or model._default_manager.count() >= MANY, model
    assert many == few
    assert max(many.values()) <= QUERIES_MAX


@pytest.mark.parametrize("model", MODELS, ids=name_model)
def test_every_list_can_be_searched_and_filtered(model: type[Model]):
    page = admin.site._registry[model]

    assert page.search_fields
    assert page.list_filter


def test_carol_sees_no_admin_page(db: None):
    carol = Client()
    carol.force_login(make_user("carol"))

    assert carol.get(reverse("admin:registry_claim_changelist")).status_code == 302
