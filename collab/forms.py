from typing import Any

from django import forms

from .models import Membership, Role, User, Workspace

EXPIRIES = ((1, "1 day"), (7, "7 days"), (30, "30 days"))
INVITED = tuple((role.value, role.label) for role in Role if role != Role.OWNER)


class WorkspaceForm(forms.ModelForm):
    class Meta:
        model = Workspace
        fields = ("name",)


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("name",)
        labels = {"name": "Your name"}  # noqa: RUF012
        help_texts = {"name": "What colleagues see. Without it they see your email address."}  # noqa: RUF012


class SearchesForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("log_searches",)
        help_texts = {  # noqa: RUF012
            "log_searches": "The search field then offers what you searched for last, and whoever runs the site sees "
            "what is searched for and not found. Switched off, nothing more is kept of your searches."
        }


class DigestForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("digest",)
        labels = {"digest": "Unread notifications by mail"}  # noqa: RUF012
        help_texts = {"digest": "Mentions, replies, jobs of yours that failed, memories shared with you."}  # noqa: RUF012


class CommentForm(forms.Form):
    text = forms.CharField(
        max_length=5000,
        error_messages={
            "required": "Write something first.",
            "max_length": "A comment has 5,000 characters at most: say it in two.",
        },
    )


class ThreadForm(CommentForm):
    """With the passage it is about: its words, and in an editor also its place."""

    PLACE = r"\A[A-Za-z0-9+/=_-]{1,400}\Z"

    quote = forms.CharField(required=False, strip=False)
    start = forms.RegexField(PLACE, required=False)
    end = forms.RegexField(PLACE, required=False)

    def clean_quote(self) -> str:
        """Enough of a long passage to know it again."""
        return self.cleaned_data["quote"][:1000]


class ActivityFilter(forms.Form):
    """What it cannot read it leaves out."""

    kind = forms.ChoiceField(required=False, choices=[(k, k) for k in ("documents", "comments", "people", "jobs")])
    before = forms.DateTimeField(required=False)

    def chosen(self) -> dict[str, Any]:
        self.full_clean()
        return {"kind": self.cleaned_data.get("kind") or "", "before": self.cleaned_data.get("before")}


class RoleForm(forms.Form):
    """Only an owner may make another one."""

    role = forms.ChoiceField(choices=Role.choices)

    def __init__(self, *args, by: Membership, **kwargs):
        super().__init__(*args, **kwargs)
        if by.role != Role.OWNER:
            self.fields["role"].choices = INVITED


class InvitationForm(forms.Form):
    role = forms.ChoiceField(choices=INVITED, initial=Role.EDITOR, label="They join as")
    days = forms.TypedChoiceField(choices=EXPIRIES, coerce=int, initial=7, label="The link works for")
