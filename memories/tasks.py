"""Celery shells: names, retries, and one call each."""

import logging
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

from . import jobs, working

log = logging.getLogger("memvid.jobs")


@shared_task(ignore_result=True)
def run_job(pk: str, **_: object) -> None:
    _deliver_all(jobs.run(UUID(pk)))


@shared_task(ignore_result=True)
def reap_jobs(**_: object) -> None:
    working.reap(deliver)


@shared_task(ignore_result=True)
def follow_files(**_: object) -> None:
    _deliver_all(jobs.follow_files())


@shared_task(ignore_result=True)
def empty_trash(**_: object) -> None:
    jobs.keep_house()


def deliver(pk: UUID) -> bool:
    """False when the broker is away: the reaper sends it when it is back."""
    try:
        run_job.delay(str(pk))
    except (OperationalError, OSError) as error:
        log.warning("job %s waits for the broker: %s", pk, error)
        return False
    return True


def _deliver_all(keys: list[UUID]) -> None:
    for pk in keys:
        deliver(pk)
