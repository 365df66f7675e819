"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

api_urlpatterns = [
    path("", include("users.api.urls")),
    path("", include("storage.api.urls")),
    path("", include("registry.api.urls")),
    path("", include("payouts.api.urls")),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
]
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_urlpatterns)),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("web.urls")),
]
