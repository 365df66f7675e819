"""The addresses of this package's part of the API, below /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from users.api.views import TokenListView, TokenView, UserListView

urlpatterns: list[URLPattern | URLResolver] = [
    path("users", UserListView.as_view(), name="api-users"),
    path("tokens", TokenListView.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", TokenView.as_view(), name="api-token"),
]
