"""The addresses of the site's pages."""

from django.urls import URLPattern, URLResolver, path, re_path

from web.views import anchors, documents, files, links, people, records, uploads

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
    path("f/worker.js", links.serve_worker, name="link-worker"),
    path("upload", uploads.show_upload, name="upload"),
    path("files/", files.list_files, name="files"),
    path("files/<uuid:link_id>/change", files.change_file, name="file-change"),
    path("files/<uuid:link_id>/delete", files.delete_file, name="file-delete"),
    path("sign-in", people.show_sign_in, name="sign-in"),
    path("sign-up", people.show_sign_up, name="sign-up"),
    path("sign-out", people.sign_out, name="sign-out"),
    path("language", people.choose_language, name="language"),
    path("docs/", documents.show_documents, name="documents"),
    path("docs/<path:name>", documents.show_document, name="document"),
]
