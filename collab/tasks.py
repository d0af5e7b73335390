"""Celery shells: names and one call each."""

import logging

from celery import shared_task

from . import digest

log = logging.getLogger("memvid.mail")


@shared_task(ignore_result=True)
def send_digests(**_: object) -> None:
    """One mail that cannot be sent holds up nobody else's."""
    for pk in digest.due():
        try:
            digest.send(pk)
        except OSError as error:  # the mail server; the next hour tries again
            log.warning("the digest for person %s was not sent: %s", pk, error)
