"""Nothing is allowed unless a view says so."""

import pytest
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.factories.users import make_client, make_user
from users.api.permissions import HasScope
from users.scopes import ALL_SCOPES, Scope

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Forgetful(APIView):
    """Names no permission."""

    def get(self, request: Request) -> Response:  # noqa: ARG002 - the hook's signature is fixed
        """Never run."""
        return Response()


class Scoped(APIView):
    """Asks for a scope."""

    permission_classes = (HasScope("rights:write"),)

    def get(self, request: Request) -> Response:  # noqa: ARG002 - the hook's signature is fixed
        """Answer."""
        return Response({})


urlpatterns = [path("api/forgetful", Forgetful.as_view()), path("api/scoped", Scoped.as_view())]


def test_a_view_that_names_no_permission_is_closed_to_everybody():
    assert make_client().get("/api/forgetful").status_code == 401
    assert make_client(make_user()).get("/api/forgetful").status_code == 403


@pytest.mark.parametrize("scope", ALL_SCOPES)
def test_only_the_named_scope_opens_a_view(scope: Scope):
    answer = make_client(make_user(), scopes=[scope]).get("/api/scoped")

    assert answer.status_code == (200 if scope == Scope.RIGHTS_WRITE else 403)


def test_a_scope_that_does_not_exist_cannot_be_asked_for():
    with pytest.raises(ValueError, match="rights:read"):
        HasScope("rights:read")
