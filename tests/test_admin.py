"""The admin has every model; facts are read-only there; every list page loads with a bounded number of queries."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from database.admin import ReadOnlyAdmin
from tests.factories.registry import make_anchor, make_claim, make_record, make_sealed_batch
from tests.factories.users import make_user
from users.models import User

PACKAGES = ("users", "chain", "storage", "registry", "payouts")
MODELS = [model for package in PACKAGES for model in apps.get_app_config(package).get_models()]
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


@pytest.mark.parametrize("model", MODELS, ids=name_model)
def test_every_list_page_loads_with_few_queries(model: type[Model], staff: Client, django_assert_max_num_queries):
    bob = make_user("bob")
    for number in range(3):
        record = make_record(bob, content=b"%d" % number)
        make_claim(make_user(f"alice{number}"), record=record)
    make_sealed_batch()
    make_anchor()

    with django_assert_max_num_queries(QUERIES_MAX):
        page = staff.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))

    assert page.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=name_model)
def test_every_list_can_be_searched_and_filtered(model: type[Model]):
    page = admin.site._registry[model]

    assert page.search_fields
    assert page.list_filter


def test_carol_sees_no_admin_page(db: None):
    carol = Client()
    carol.force_login(make_user("carol"))

    assert carol.get(reverse("admin:registry_claim_changelist")).status_code == 302
