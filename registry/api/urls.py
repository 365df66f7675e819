"""The addresses of this package's part of the API, below /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from registry.api import batches, links, submissions, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("links/<uuid:link_id>", links.LinkDetailView.as_view(), name="api-link"),
    path("records", views.RecordListView.as_view(), name="api-records"),
    path("records/bulk", submissions.RecordBulkView.as_view(), name="api-records-bulk"),
    path("records/<uuid:record_id>", views.RecordDetailView.as_view(), name="api-record"),
    path("records/<uuid:record_id>/proof", views.ProofView.as_view(), name="api-record-proof"),
    path("records/<uuid:record_id>/proof.ots", views.TimestampView.as_view(), name="api-record-timestamp"),
    path("batches", batches.BatchListView.as_view(), name="api-batches"),
    path("batches/<int:seq>", batches.BatchDetailView.as_view(), name="api-batch"),
    path("batches/<int:seq>/proofs", batches.BatchProofsView.as_view(), name="api-batch-proofs"),
    path("anchors", views.AnchorsFileView.as_view(), name="api-anchors"),
    path("works/<uuid:work_id>", views.WorkDetailView.as_view(), name="api-work"),
    path("holders", views.HolderListView.as_view(), name="api-holders"),
    path("claims", views.ClaimListView.as_view(), name="api-claims"),
    path("claims/<uuid:claim_id>", views.ClaimDetailView.as_view(), name="api-claim"),
]
