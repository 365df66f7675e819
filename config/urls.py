"""Every address of the site."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.content_security import loosen_for_swagger
from config.problem_pages import list_problem_types
from web.api.metrics import MetricsView
from web.views.documents import show_problem

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("users.api.urls")),
    path("", include("storage.api.urls")),
    path("", include("registry.api.urls")),
    path("", include("payouts.api.urls")),
    path("", include("web.api.urls")),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
]
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_urlpatterns)),
    # The split view loads its script from an address of its own, so that no inline script needs to be allowed.
    path(
        "api/docs",
        loosen_for_swagger(SpectacularSwaggerSplitView.as_view(url_name="api-schema")),
        name="api-docs",
    ),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("problems/<slug:slug>", show_problem, {"problems": list_problem_types()}, name="problem"),
    path("", include("web.urls")),
]
# Below /api/ Django's own errors are problem documents too.
handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.page_not_found"
handler500 = "config.problems.server_error"
