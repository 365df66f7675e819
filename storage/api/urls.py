"""The addresses of this package's part of the API, below /api/v1/. A link's own address belongs to the registry."""

from django.urls import URLPattern, URLResolver, path

from storage.api.views import (
    LinkListView,
    ManifestView,
    ReportListView,
    StorageUseView,
    UploadListView,
    UploadView,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("uploads", UploadListView.as_view(), name="api-uploads"),
    path("uploads/<uuid:upload_id>", UploadView.as_view(), name="api-upload"),
    path("account/storage", StorageUseView.as_view(), name="api-storage-use"),
    path("links", LinkListView.as_view(), name="api-links"),
    path("links/<uuid:link_id>/manifest", ManifestView.as_view(), name="api-link-manifest"),
    path("links/<uuid:link_id>/reports", ReportListView.as_view(), name="api-link-reports"),
]
