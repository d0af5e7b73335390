"""Celery shells of live editing: by the clock, each a look at what is due."""

import logging

from celery import shared_task

from .live import compaction, due

log = logging.getLogger("memvid.live")


@shared_task(ignore_result=True)
def compact_logs(**_: object) -> None:
    for live in compaction.due():
        try:
            compaction.compact(live)
        except Exception:  # one document's log must not keep the others from theirs
            log.exception("the log of %s was not compacted", live)


@shared_task(ignore_result=True)
def write_edits(**_: object) -> None:
    due.start_jobs()
