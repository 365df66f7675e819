"""Sign-up."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from users.errors import AccountRefusedError, UsernameTakenError
from users.models import User


def create_user(*, username: str, password: str, email: str, now: datetime) -> User:
    """Create a user who can sign in; `email` may be empty.

    Raises AccountRefusedError if a field or the password is not acceptable, UsernameTakenError if the name is in use,
    in whatever case it is written.
    """
    user = User(username=User.normalize_username(username), email=email, date_joined=now)
    _check_fields(user, password)
    user.set_password(password)
    try:
        with transaction.atomic(durable=True):
            if User.objects.filter(username__iexact=user.username).exists():
                raise UsernameTakenError
            user.save(force_insert=True)
    except IntegrityError as error:
        raise UsernameTakenError from error
    return user


def _check_fields(user: User, password: str) -> None:
    messages: dict[str, list[str]] = {}
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        messages |= error.message_dict
    try:
        validate_password(password, user)
    except ValidationError as error:
        messages["password"] = error.messages
    if messages:
        raise AccountRefusedError(messages)
