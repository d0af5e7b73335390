"""The log of a document folded into its snapshot, while people go on writing.

1. Read snapshot and log without a lock, and merge them.
2. A document built of it gives the shortest state (what was deleted is gone), unless something in it waits for an
   update that has not come: building would drop that, so then the merged updates are kept as they are.
3. Write it if the snapshot is still the one that was read. A lock held while merging would keep writers waiting.
4. Forget updates in the snapshot, but for the newest (whoever reads late gets them alone) and those that are not in the
   video yet: their authors are to stand in its next commit.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone
from pycrdt import get_update

from ..models import LiveDocument, LiveUpdate
from . import log
from .texts import loaded
from .updates import EMPTY, reaches

logger = logging.getLogger("memvid.live")
DUE, KEPT = 200, 200  # updates
IDLE = timedelta(minutes=5)


def due() -> list[UUID]:
    """Documents whose log is long, or has rested."""
    rested = Q(updated_at__lt=timezone.now() - IDLE, head_seq__gt=F("snapshot_seq"))
    found = LiveDocument.objects.filter(Q(head_seq__gte=F("snapshot_seq") + DUE) | rested)
    return list(found.values_list("pk", flat=True))


def compact(live: UUID) -> bool:
    """False when there was nothing to do, or somebody else was quicker."""
    row = LiveDocument.objects.filter(pk=live).values("snapshot", "snapshot_seq", "generation").first()
    if row is None:
        return False
    updates = LiveUpdate.objects.filter(live=live, seq__gt=row["snapshot_seq"]).order_by("seq")
    found = list(updates.values_list("seq", "payload"))
    if not found:
        return False
    state = shortest(live, log.merged([bytes(row["snapshot"]), *(bytes(payload) for _, payload in found)]))
    same = LiveDocument.objects.filter(pk=live, snapshot_seq=row["snapshot_seq"], generation=row["generation"])
    if not same.update(snapshot=state, snapshot_seq=found[-1][0]):
        return False
    _forget(live)
    return True


def shortest(live: UUID, merged: bytes) -> bytes:
    document = loaded(merged)
    missing = get_update(merged, document.get_state())
    if missing[:1] != EMPTY[:1] or not reaches(document.get_state(), merged):
        logger.warning("document %s: an update waits for one that has not come; its log is kept as it is", live)
        return merged
    return document.get_update()


def _forget(live: UUID) -> None:
    row = LiveDocument.objects.get(pk=live)
    LiveUpdate.objects.filter(live=live, seq__lte=min(row.snapshot_seq - KEPT, row.projected_seq)).delete()
