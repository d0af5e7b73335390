"""The slow work. `run` claims a job, does what its kind asks and says how it ended."""

import logging
from collections.abc import Callable
from uuid import UUID

from django.db import Error

from . import working
from .engine.errors import MemvidError
from .models import Job
from .working import Cancelled, Hold, JobFailed, claim

log = logging.getLogger("memvid.jobs")


def run(pk: UUID) -> None:
    hold = claim(pk)
    if hold is None:
        return
    with hold.beating():
        try:
            result = HANDLERS[hold.job.kind](hold)
        except Cancelled:
            _end(hold, Job.State.CANCELLED, "cancelled: what was not stored yet was left out")
        except (JobFailed, MemvidError) as error:
            _end(hold, Job.State.FAILED, str(error))
        except Error:  # the database is away: the lease runs out and the job is taken up again
            raise
        except Exception as error:
            log.exception("job %s failed", pk)
            _end(hold, Job.State.FAILED, f"unexpected {type(error).__name__}: {error}"[:500])
        else:
            hold.finish(Job.State.DONE, result=result)


def _end(hold: Hold, state: str, reason: str) -> None:
    working.fail_waiting_files(hold.job, reason)
    hold.finish(state, reason)


HANDLERS: dict[str, Callable[[Hold], dict | None]] = {}
