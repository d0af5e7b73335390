"""What people may type. Everything a view reads from a request passes through one of these."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from collab.models import User

from .engine.config import CODECS, PROFILES
from .models import Job, Memory, Visibility
from .services import MOST_TAGS

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MOST_SELECTED = 500
PAIR = 2
MOST_ENTRIES = 2000  # of one manifest request
CODEC_NAMES = {
    "av1": "AV1 (smallest)",
    "h264": "H.264 (plays everywhere)",
    "h265": "H.265",
    "vp9": "VP9",
    "mp4v": "MPEG-4",
}
PROFILE_NAMES = {
    "compact": "Compact: the smallest file",
    "universal": "Universal: plays on every device",
    "durable": "Durable: with parity, survives damage",
}


class TagsField(forms.CharField):
    """Words between commas."""

    def to_python(self, value: Any) -> list[str]:
        text = super().to_python(value)
        tags = list(dict.fromkeys(" ".join(tag.split()) for tag in text.split(",")))
        return [tag for tag in tags if tag]

    def validate(self, value: list[str]) -> None:
        if any(CONTROL.search(tag) or len(tag) > 50 for tag in value):
            raise ValidationError("A tag has 50 characters at most and no control characters.")
        if len(value) > MOST_TAGS:
            raise ValidationError(f"A memory has {MOST_TAGS} tags at most.")
        if self.required and not value:
            raise ValidationError("Write one tag at least.")

    def run_validators(self, value: Any) -> None:
        """`validate` has looked at each tag."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class OneLine(forms.CharField):
    """Without control characters, its spaces joined."""

    def to_python(self, value: Any) -> str:
        return " ".join(super().to_python(value).split())

    def validate(self, value: str) -> None:
        super().validate(value)
        if CONTROL.search(value):
            raise ValidationError("This holds control characters: type it again.")


# -- lists


class Filter(forms.Form):
    """A form in the address: what it cannot read it leaves out, and says so."""

    defaults: ClassVar[dict[str, Any]] = {}

    def chosen(self) -> dict[str, Any]:
        self.full_clean()
        facts = {name: self.cleaned_data.get(name) or self.defaults.get(name, "") for name in self.fields}
        return facts | {"any": any(facts[name] for name in self.fields if name not in self.defaults)}


class MemoryFilter(Filter):
    SORTS = (
        ("changed", "Changed last"), ("name", "Name"), ("size", "Largest"), ("chunks", "Most chunks"),
        ("made", "Newest"),
    )  # fmt: skip
    defaults: ClassVar = {"sort": "changed", "view": "grid"}

    q = forms.CharField(required=False, max_length=200, label="Name, description or tag")
    tag = forms.CharField(required=False, max_length=50, label="Tag")
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *Memory.State.choices], label="State")
    visibility = forms.ChoiceField(
        required=False, choices=[("", "Any visibility"), *[(v.value, v.name.capitalize()) for v in Visibility]],
        label="Visibility",
    )  # fmt: skip
    mine = forms.BooleanField(required=False, label="Made by me")
    sort = forms.ChoiceField(required=False, choices=SORTS, label="Sort")
    view = forms.ChoiceField(required=False, choices=[("grid", "Grid"), ("list", "List")])


class DocumentFilter(Filter):
    q = forms.CharField(required=False, max_length=200, label="Part of the path")
    type = forms.CharField(required=False, max_length=120, label="Type")
    tag = forms.CharField(required=False, max_length=200, label="Tag")
    at = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, label="As of commit")


class MomentForm(forms.Form):
    """How long ago; or a day, or a minute of it, in the reader's time as far as their browser tells it, else the
    site's."""

    AGO: ClassVar = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

    ago = forms.ChoiceField(choices=[(name, name) for name in AGO], required=False)
    offset = forms.IntegerField(min_value=-18 * 60, max_value=18 * 60, required=False)  # minutes east of Greenwich
    on = forms.CharField(max_length=40, required=False)

    def clean_on(self) -> datetime:
        if ago := self.cleaned_data.get("ago"):
            return timezone.now() - self.AGO[ago]
        text = self.cleaned_data["on"]
        try:
            moment = datetime.fromisoformat(text)
            if len(text) <= len("2026-11-27"):
                moment = moment.replace(hour=23, minute=59, second=59)  # the day is meant with all that came in it
            return self._aware(moment).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(
                "Write a day as in 2026-11-27, with a time as in 2026-11-27T14:30 if you like."
            ) from None

    def _aware(self, moment: datetime) -> datetime:
        if timezone.is_aware(moment):
            return moment
        offset = self.cleaned_data.get("offset")
        return timezone.make_aware(moment, timezone.get_fixed_timezone(offset) if offset is not None else None)


class DocumentPlace(Filter):
    """Where in a document, and as of which commit."""

    chunk = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    at = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class VersionPlace(forms.Form):
    """Which two versions, and which of their changes; what makes no sense is left out."""

    page = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    first = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    at = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)

    def chosen(self) -> dict[str, Any]:
        self.full_clean()
        keys = {name: str(self.data.get(name, ""))[:24] for name in ("from", "to")}  # `from` is no name in Python
        return keys | {name: self.cleaned_data.get(name) for name in self.fields}


class VersionNameForm(forms.Form):
    label = OneLine(
        max_length=200, label="Name of the version", error_messages={"required": "Write a name for the version."}
    )


class RestoreForm(forms.Form):
    version = forms.RegexField(r"\A[cv][0-9]{1,18}\Z", error_messages={"invalid": "Choose a version from the list."})
    passage = forms.RegexField(r"\A[0-9a-f]{32}\Z", required=False)


class JobFilter(Filter):
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("open", "At work"), ("failed", "Failed"), ("done", "Done"), ("cancelled", "Cancelled")],
    )
    kind = forms.ChoiceField(required=False, choices=[("", "Every kind"), *Job.Kind.choices])
    mine = forms.BooleanField(required=False, label="Started by me")


class JobFileFilter(Filter):
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("failed", "Failed"), ("stored", "Stored"), ("unchanged", "Unchanged"),
                 ("waiting", "Waiting"), ("skipped", "Skipped"), ("removed", "Removed")],
    )  # fmt: skip


# -- chosen rows


class ChosenField(forms.Field):
    """Many values of one name, each read by `inner`."""

    widget = forms.MultipleHiddenInput

    def __init__(self, inner: forms.Field, **options: Any):
        super().__init__(**options)
        self.inner = inner

    def clean(self, value: Any) -> list[Any]:
        if not value:
            raise ValidationError("Choose one at least.")
        if len(value) > MOST_SELECTED:
            raise ValidationError(f"Choose {MOST_SELECTED} at most.")
        return [self.inner.clean(item) for item in value]


class MemoriesForm(forms.Form):
    memory = ChosenField(forms.UUIDField())


ACTIONS = ("trash", "tag", "merge", "compare", "vacuum", "verify", "restore")


class BulkForm(MemoriesForm):
    action = forms.ChoiceField(choices=[(a, a) for a in ACTIONS])
    tags = TagsField(required=False, max_length=1100)
    name = OneLine(required=False, max_length=200)

    def clean(self) -> dict[str, Any]:
        facts = super().clean()
        if facts.get("action") == "tag" and not facts.get("tags"):
            raise ValidationError("Write the tag to add.")
        if facts.get("action") == "merge" and len(facts.get("memory", ())) < 2:
            raise ValidationError("Choose two memories at least to merge.")
        if facts.get("action") == "compare" and len(set(facts.get("memory", ()))) != PAIR:
            raise ValidationError("Choose exactly two memories to compare.")
        return facts


class CompareForm(forms.Form):
    """Two memories, each as of a commit or as it is."""

    a = forms.UUIDField(error_messages={"required": "Choose the older one.", "invalid": "Choose the older one."})
    b = forms.UUIDField(error_messages={"required": "Choose the newer one.", "invalid": "Choose the newer one."})
    a_at = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, label="Commit of the older one")
    b_at = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, label="Commit of the newer one")
    semantic = forms.BooleanField(required=False)


class DocumentsForm(forms.Form):
    document = ChosenField(forms.IntegerField(min_value=0, max_value=2**31 - 1))


class CommitNowForm(forms.Form):
    message = OneLine(required=False, max_length=200)


class JobsForm(forms.Form):
    action = forms.ChoiceField(choices=[("retry", "retry"), ("clear", "clear")])
    job = ChosenField(forms.UUIDField())


class JobFilesForm(forms.Form):
    file = ChosenField(forms.IntegerField(min_value=0, max_value=2**63 - 1))


# -- memories


class MemoryForm(forms.ModelForm):
    name = OneLine(max_length=200)
    tags = TagsField(required=False, max_length=1100, help_text="Words between commas.")
    description = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))

    class Meta:
        model = Memory
        fields = ("name", "description", "tags", "visibility", "index_mode")
        labels: ClassVar = {"visibility": "Who may see it", "index_mode": "Search by meaning: when it is indexed"}
        widgets: ClassVar = {"visibility": forms.RadioSelect, "index_mode": forms.RadioSelect}


class NewMemoryForm(MemoryForm):
    name = OneLine(max_length=200, required=False, help_text="Left empty, it is named after what you put in.")
    profile = forms.ChoiceField(
        choices=[(name, PROFILE_NAMES.get(name, name)) for name in PROFILES], required=False, initial="compact",
        label="Drawn as",
    )  # fmt: skip
    codec = forms.ChoiceField(
        choices=[("", "As it suits")] + [(name, CODEC_NAMES.get(name, name)) for name in CODECS], required=False
    )
    title = OneLine(required=False, max_length=200, label="Title of the text")
    text = forms.CharField(
        required=False, max_length=3_000_000, strip=False, label="Text", widget=forms.Textarea(attrs={"rows": 10})
    )

    def clean_profile(self) -> str:
        return self.cleaned_data["profile"] or "compact"

    def memory_fields(self) -> dict[str, Any]:
        names = ("name", "description", "tags", "visibility", "index_mode", "profile", "codec")
        return {name: self.cleaned_data[name] for name in names}


class TextForm(forms.Form):
    """A pasted text."""

    title = OneLine(required=False, max_length=200)
    text = forms.CharField(max_length=3_000_000, strip=False)


class PersonForm(forms.Form):
    email = forms.EmailField(max_length=254)
    writes = forms.BooleanField(required=False, label="may also write")

    def clean_email(self) -> User:
        user = User.objects.filter(email__iexact=self.cleaned_data["email"], is_active=True).first()
        if user is None:
            raise ValidationError("Nobody here has this address. Invite them to the workspace first.")
        return user


class UpkeepForm(forms.Form):
    action = forms.ChoiceField(choices=[(a, a) for a in ("vacuum", "verify", "trash", "accept")])


class MergeForm(MemoriesForm):
    name = OneLine(max_length=200)


class ExportForm(forms.Form):
    history = forms.BooleanField(required=False)


class Confirmation(forms.Form):
    """What cannot be undone asks for its name."""

    typed = forms.CharField(max_length=1200, label="Not confirmed")

    def __init__(self, *args: Any, expected: str, **options: Any):
        super().__init__(*args, **options)
        self.expected = expected

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"].strip() != self.expected:
            raise ValidationError(f"To confirm, type exactly: {self.expected}")
        return self.cleaned_data["typed"]


# -- uploads


class BatchForm(forms.Form):
    """The fields beside the files of one request."""

    batch = forms.UUIDField(required=False)
    size = forms.IntegerField(required=False, min_value=0, max_value=2**60)
    finish = forms.BooleanField(required=False)
    sync = forms.BooleanField(required=False)
    message = OneLine(required=False, max_length=500)


class Manifest:
    """JSON: {"batch": id, "files": [{"path", "size", "sha256"}]}; `error` says what is wrong with it."""

    def __init__(self, body: bytes):
        self.batch, self.files, self.error = None, [], ""
        try:
            facts = json.loads(body)
            self.batch = forms.UUIDField(required=False).clean(facts.get("batch"))
            self.files = [_entry(entry) for entry in facts["files"]]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ValidationError):
            self.error = "the list of files cannot be read: reload the page and choose the folder again"
        if len(self.files) > MOST_ENTRIES:
            self.error = f"a part of the list has {MOST_ENTRIES:,} files at most"


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    size = forms.IntegerField(min_value=0, max_value=2**60).clean(entry["size"])
    digest = entry.get("sha256") or ""
    if not isinstance(entry["path"], str) or not re.fullmatch(r"([0-9a-f]{64})?", digest):
        raise ValueError("not an entry")
    return {"path": entry["path"], "size": size, "sha256": digest}
