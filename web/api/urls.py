"""The addresses of this package's part of the API, below /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from web.api import views

urlpatterns: list[URLPattern | URLResolver] = [path("status", views.StatusView.as_view(), name="api-status")]
