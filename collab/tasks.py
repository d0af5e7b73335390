"""Celery shells, called by the clock, each a look at what is due."""

import logging

from celery import shared_task

from . import digest
from .live import compaction, due

live_log, mail_log = logging.getLogger("memvid.live"), logging.getLogger("memvid.mail")


@shared_task(ignore_result=True)
def compact_logs(**_: object) -> None:
    for live in compaction.due():
        try:
            compaction.compact(live)
        except Exception:  # one document's log must not keep the others from theirs
            live_log.exception("the log of %s was not compacted", live)


@shared_task(ignore_result=True)
def write_edits(**_: object) -> None:
    due.start_jobs()


@shared_task(ignore_result=True)
def send_digests(**_: object) -> None:
    """One mail that cannot be sent holds up nobody else's."""
    for pk in digest.due():
        try:
            digest.send(pk)
        except Exception as error:  # the mail server or an address; the next hour tries again
            mail_log.warning("the digest for person %s was not sent: %s", pk, error)
