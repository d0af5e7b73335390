"""`run` claims a job, does what its kind asks and says how it ended."""

import logging
from collections.abc import Callable
from uuid import UUID

from auditlog.context import set_actor

from ..engine.errors import MemvidError
from ..models import Job
from ..working import AWAY, Cancelled, Hold, JobFailed, claim, waiting_index
from . import (
    checking,
    comparing,
    duplicates,
    editing,
    erasing,
    exporting,
    importing,
    indexing,
    live,
    merging,
    rewriting,
    upload,
)  # fmt: skip
from .writing import FULL, is_full

log = logging.getLogger("memvid.jobs")

# A handler gives the job's result. What it puts under "next" are jobs it has queued, to be delivered.
HANDLERS: dict[str, Callable[[Hold], dict | None]] = {
    Job.Kind.UPLOAD: upload.store,
    Job.Kind.IMPORT: importing.import_file,
    Job.Kind.MERGE: merging.merge,
    Job.Kind.VACUUM: rewriting.vacuum,
    Job.Kind.REMOVE: editing.remove,
    Job.Kind.ERASE: erasing.erase,
    Job.Kind.EDIT: editing.edit,
    Job.Kind.INDEX: indexing.index,
    Job.Kind.VERIFY: checking.verify,
    Job.Kind.EXPORT: exporting.export,
    Job.Kind.MIRROR: checking.follow,
    Job.Kind.DUPLICATES: duplicates.find,
    Job.Kind.COMPARE: comparing.compare,
    Job.Kind.LIVE: live.project,
}


def run(pk: UUID) -> list[UUID]:
    """Returns the jobs that follow from this one. Raises only when the database is away: the lease then runs out
    and the job is taken up again."""
    hold = claim(pk)
    if hold is None:
        return []
    following = _work(hold)
    return following + (waiting_index() if hold.job.kind == Job.Kind.INDEX else [])


def _work(hold: Hold) -> list[UUID]:
    pk = hold.job.pk
    with hold.beating(), set_actor(hold.job.created_by):
        try:
            result = HANDLERS[hold.job.kind](hold) or {}
        except Cancelled as why:
            hold.finish(Job.State.CANCELLED, str(why) or "cancelled: what was not stored yet was left out")
        except (JobFailed, MemvidError) as error:
            full = isinstance(error.__cause__, OSError) and is_full(error.__cause__)
            hold.finish(Job.State.FAILED, FULL if full else str(error))
        except AWAY:
            raise
        except OSError as error:
            log.exception("job %s failed", pk)
            said = f"{error.strerror or type(error).__name__}: ask an administrator to look at it"
            hold.finish(Job.State.FAILED, FULL if is_full(error) else said)
        except Exception as error:
            log.exception("job %s failed", pk)
            hold.finish(Job.State.FAILED, f"unexpected {type(error).__name__}: see the worker's log, then try again")
        else:
            following = result.pop("next", [])
            hold.finish(Job.State.DONE, result=result)
            return following
    return []
