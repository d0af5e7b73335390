from django.urls import path

from . import watch
from .views import create, documents, editing, jobs, listing, pages, receiving, settings, trash

urlpatterns = [
    path("memories/", listing.memories, name="memories"),
    path("memories/bulk/", listing.bulk, name="memories-bulk"),
    path("memories/new/", create.new, name="memory-new"),
    path("memories/<uuid:pk>/", pages.memory, name="memory"),
    path("memories/<uuid:pk>/upload/", receiving.upload, name="memory-upload"),
    path("memories/<uuid:pk>/manifest/", receiving.manifest, name="memory-manifest"),
    path("memories/<uuid:pk>/import/", receiving.import_file, name="memory-import"),
    path("memories/<uuid:pk>/documents/", pages.documents, name="memory-documents"),
    path("memories/<uuid:pk>/documents/remove/", pages.remove_documents, name="memory-remove"),
    path("memories/<uuid:pk>/documents/<int:number>/", documents.document, name="document"),
    path("memories/<uuid:pk>/documents/<int:number>/edit/", editing.edit, name="document-edit"),
    path("memories/<uuid:pk>/documents/<int:number>/original/", documents.original, name="document-original"),
    path("memories/<uuid:pk>/documents/<int:number>/text/", documents.text, name="document-text"),
    path("memories/<uuid:pk>/documents/<int:number>/erase/", settings.erase, name="document-erase"),
    path("memories/<uuid:pk>/commit/", editing.commit_now, name="memory-commit"),
    path("memories/<uuid:pk>/history/", pages.history, name="memory-history"),
    path("memories/<uuid:pk>/settings/", settings.settings, name="memory-settings"),
    path("memories/<uuid:pk>/settings/people/", settings.people, name="memory-people"),
    path(
        "memories/<uuid:pk>/settings/people/<int:person>/remove/", settings.person_remove, name="memory-person-remove"
    ),
    path("memories/<uuid:pk>/settings/upkeep/", settings.upkeep, name="memory-upkeep"),
    path("memories/<uuid:pk>/merge/", settings.merge, name="memory-merge"),
    path("memories/<uuid:pk>/download/", settings.download, name="memory-download"),
    path("memories/<uuid:pk>/download/prepare/", settings.prepare_download, name="memory-prepare"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/bulk/", jobs.bulk, name="jobs-bulk"),
    path("jobs/<uuid:pk>/", jobs.job, name="job"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:pk>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<uuid:pk>/file/", jobs.file, name="job-file"),
    path("trash/", trash.trash, name="trash"),
    path("trash/<uuid:pk>/delete/", trash.delete, name="memory-delete"),
    path("memories/<uuid:pk>/video.mp4", watch.video, name="video"),
    path("memories/<uuid:pk>/frames/<int:number>.png", watch.frame, name="frame"),
    path("memories/<uuid:pk>/frames/<int:number>/", watch.frame_text, name="frame-text"),
    path("memories/<uuid:pk>/thumbnail.png", watch.thumbnail, name="thumbnail"),
    path("memories/<uuid:pk>/watch/", watch.watch, name="watch"),
    path("memories/<uuid:pk>/watch/<int:number>/", watch.watch_document, name="watch-document"),
    path("frames/find/", watch.find_frame, name="find-frame"),
]
