"""The addresses of the site's pages."""

from django.urls import URLPattern, URLResolver, path, re_path

from web.views import anchors, documents, links, records

urlpatterns: list[URLPattern | URLResolver] = [
    path("", records.show_home, name="home"),
    path("favicon.ico", records.lead_to_icon),
    path("records/", records.list_newest, name="records"),
    path("records/<uuid:record_id>/", records.show_record, name="record"),
    path("batches/<int:seq>/", records.show_batch, name="batch"),
    path("anchors/", anchors.show_chain, name="anchors"),
    re_path("^anchors/(?P<txid>[0-9a-f]{64})/$", anchors.show_anchor, name="anchor"),
    path("search", records.show_search, name="search"),
    path("status", records.show_status, name="status"),
    path("f/<uuid:link_id>", links.show_link, name="link"),
    path("docs/", documents.show_documents, name="documents"),
    path("docs/<path:name>", documents.show_document, name="document"),
]
