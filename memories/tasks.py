"""Celery shells: names, retries, and one call each."""

from uuid import UUID

from celery import shared_task

from . import jobs, working


@shared_task(ignore_result=True)
def run_job(pk: str, **_: object) -> None:
    jobs.run(UUID(pk))


@shared_task(ignore_result=True)
def reap_jobs(**_: object) -> None:
    working.reap(deliver)


@shared_task(ignore_result=True)
def follow_files(**_: object) -> None:
    jobs.follow_files()


@shared_task(ignore_result=True)
def empty_trash(**_: object) -> None:
    jobs.empty_trash()


def deliver(pk: UUID) -> None:
    run_job.delay(str(pk))
