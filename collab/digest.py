"""What is unread, by mail: once an hour or once a day, as each person chose. The mail names what is new and links to
it; it quotes no document and no comment, so that nothing of them lies in mailboxes after it was erased here."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from . import notifications
from .models import Digest, Notification, User

MOST = 50  # lines of one mail
DAY = timedelta(hours=23, minutes=30)  # a little less, so that an hourly look does not push it on by an hour each day


def due() -> list[int]:
    """People with something that was neither read nor mailed, whose time it is."""
    new = Notification.objects.filter(user=OuterRef("pk"), read_at=None, mailed_at=None)
    rested = Q(digested_at=None) | Q(digested_at__lt=timezone.now() - DAY)
    wanted = Q(digest=Digest.HOURLY) | Q(digest=Digest.DAILY) & rested
    return list(User.objects.filter(wanted, Exists(new), is_active=True).values_list("pk", flat=True))


@transaction.atomic
def send(pk: int) -> bool:
    """Marked and sent together: a mail that could not be sent is tried again, a worker that runs twice sends once."""
    user = User.objects.select_for_update(skip_locked=True).filter(pk=pk, is_active=True).first()
    if user is None or pk not in due():
        return False
    rows = list(notifications.listed(user).filter(read_at=None, mailed_at=None))
    Notification.objects.filter(user=user, read_at=None, mailed_at=None).update(mailed_at=timezone.now())
    if not rows:  # of what they may not see any more
        return False
    user.digested_at = timezone.now()
    user.save(update_fields=("digested_at",))
    _mail(user, rows).send()
    return True


def _mail(user: User, rows: list[Notification]) -> EmailMessage:
    account = f"{settings.SITE_URL}{reverse('profile')}#mail"
    lines = [(notifications.sentence(row), f"{settings.SITE_URL}{notifications.address(row)}") for row in rows[:MOST]]
    context: dict[str, Any] = {"user": user, "lines": lines, "more": len(rows) - len(lines), "account": account}
    subject = "1 thing is new for you" if len(rows) == 1 else f"{len(rows)} things are new for you"
    text = render_to_string("notifications/digest.txt", context)
    return EmailMessage(subject, text, to=[user.email], headers={"List-Unsubscribe": f"<{account}>"})
