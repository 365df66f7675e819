"""Columns for amounts: what the engine itself refuses, whatever a service believes."""

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import F, Value

from database.amounts import AMOUNT_MAX, IsStoredAsInteger, amount_constraint
from payouts.models import Balance, PayoutBatch, SettlementWindow
from registry.models import Register
from tests.factories.users import NOW, make_user


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
    """Return every column of an amount, whichever table it is in."""
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name.endswith(("_msat", "_sat"))
    ]


def test_amounts_are_found_in_all_packages():
    assert {model._meta.app_label for model, _ in list_amount_fields()} == {"payouts", "registry", "storage"}


@pytest.mark.parametrize(
    ("model", "field"), list_amount_fields(), ids=[f"{model.__name__}.{field}" for model, field in list_amount_fields()]
)
def test_every_amount_is_guarded_by_its_table(model: type[models.Model], field: str):
    is_optional = model._meta.get_field(field).null
    names = {constraint.name: constraint for constraint in model._meta.constraints}
    assert any(
        constraint == amount_constraint(name=name, field=field, minimum=minimum, is_optional=is_optional)
        for name, constraint in names.items()
        for minimum in (0, 1, -AMOUNT_MAX)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["1.5", "'a word'", "-1"])
def test_an_optional_amount_is_an_integer_or_nothing(value: str):
    SettlementWindow.objects.create(number=0, opened_at=NOW)

    for column in ("sum_msat", "refund_sum_msat"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE payouts_settlementwindow SET {column} = {make_literal(value)}")
    SettlementWindow.objects.update(sum_msat=AMOUNT_MAX, refund_sum_msat=0)
    SettlementWindow.objects.update(sum_msat=None, refund_sum_msat=None)


def make_literal(value: str) -> str:
    """Return a value as the engine would refuse it: PostgreSQL rounds a fraction, so there it is a text."""
    return f"'{value}'" if connection.vendor == "postgresql" and value == "1.5" else value


@pytest.mark.django_db
def test_the_value_that_a_register_was_founded_on_is_an_integer():
    with pytest.raises(IntegrityError, match="registry_register_first_value_not_negative"), transaction.atomic():
        Register.objects.create(
            network="regtest",
            first_txid="11" * 32,
            first_vout=0,
            first_value_sat=-1,
            first_script=b"\x00\x14" + bytes(20),
            founded_at=NOW,
        )


@pytest.mark.django_db
def test_a_payout_batchs_fee_is_not_negative():
    with pytest.raises(IntegrityError, match="payouts_batch_fee_not_negative"), transaction.atomic():
        PayoutBatch.objects.create(
            state=PayoutBatch.State.PROPOSED, total_sat=1, fee_sat=-1, created_at=NOW, changed_at=NOW
        )
