"""Columns for amounts: what the engine itself refuses, whatever a service believes."""

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import F, Value

from database.amounts import AMOUNT_MAX, IsStoredAsInteger, amount_constraint
from payouts.models import Balance
from tests.factories.users import make_user


@pytest.fixture
def balance(db: None) -> Balance:
    """Carol's balance, as large as it can be."""
    return Balance.objects.create(user=make_user("carol"), balance_msat=AMOUNT_MAX)


def get_stored(balance: Balance) -> int:
    return Balance.objects.values_list("balance_msat", flat=True).get(user=balance.user)


def test_the_largest_amount_is_kept_to_the_last_digit(balance: Balance):
    assert get_stored(balance) == 2**63 - 1


def test_an_overflow_is_refused_and_never_becomes_a_float(balance: Balance):
    with pytest.raises(DatabaseError), transaction.atomic():
        Balance.objects.update(balance_msat=F("balance_msat") + 1)

    assert get_stored(balance) == AMOUNT_MAX


def test_an_amount_below_the_least_is_refused(balance: Balance):
    with pytest.raises(IntegrityError, match="payouts_balance_not_negative"), transaction.atomic():
        Balance.objects.update(balance_msat=-1)

    assert get_stored(balance) == AMOUNT_MAX


@pytest.mark.parametrize("text", ["a word", "1.5", ""])
def test_what_is_no_integer_is_refused(balance: Balance, text: str):
    # Past the field, which would refuse it first; PostgreSQL's column takes no text at all.
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_balance SET balance_msat = %s", [text])

    assert get_stored(balance) == AMOUNT_MAX


@pytest.mark.parametrize(
    ("value", "is_integer"),
    [
        (Value(1, models.BigIntegerField()), True),
        (Value(-1, models.BigIntegerField()), True),
        (Value(1.5, models.FloatField()), False),
        (Value("1", models.TextField()), False),
    ],
    ids=["one", "minus one", "a float", "a text"],
)
def test_the_condition_tells_integers_apart_where_the_engine_does_not(balance: Balance, value: Value, is_integer: bool):
    # Columns of other engines hold one type, so there the condition holds for whatever is in them.
    expected = is_integer or connection.vendor != "sqlite"

    assert Balance.objects.filter(IsStoredAsInteger(value)).exists() is expected


def list_amount_fields() -> list[tuple[type[models.Model], str]]:
    """Return every column of an amount that is always set, in the tables of money and of prices."""
    return [
        (model, field.name)
        for model in [*apps.get_app_config("payouts").get_models(), *apps.get_app_config("storage").get_models()]
        for field in model._meta.fields
        if field.name.endswith(("_msat", "_sat")) and not field.null
    ]


@pytest.mark.parametrize(
    ("model", "field"), list_amount_fields(), ids=[f"{model.__name__}.{field}" for model, field in list_amount_fields()]
)
def test_every_amount_is_guarded_by_its_table(model: type[models.Model], field: str):
    names = {constraint.name: constraint for constraint in model._meta.constraints}
    assert any(
        constraint == amount_constraint(name=name, field=field, minimum=minimum)
        for name, constraint in names.items()
        for minimum in (0, 1, -AMOUNT_MAX)
    )
