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
