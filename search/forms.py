"""What the address of a search may say besides the query, what people call their saved searches, and what they ask."""

from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict

from memories.forms import OneLine

from .context import MOST
from .models import SavedSearch
from .scope import FAMILIES, MODES

FURTHEST = 10_000
MOST_CHOSEN = 100  # values of one filter
LARGEST_KEY = 2**63 - 1
LONGEST_QUESTION = 1_000
MODE_NAMES = {
    "hybrid": "Words and meaning",
    "semantic": "Meaning alone",
    "keyword": "Words alone",
    "fuzzy": "Words, also misspelt",
    "phrase": "Exactly this phrase",
}
TYPE_NAMES = {
    "text": "Text and books",
    "table": "Tables",
    "data": "Data files",
    "pdf": "PDF",
    "office": "Office documents",
    "code": "Code",
}
VIEW_NAMES = {"passages": "Passages", "agreement": "Agreement", "over-time": "Over time"}
FILTER_NAMES = {
    "mode": "way of searching", "memory": "memory", "tag": "tag", "type": "type", "author": "author", "path": "path",
    "since": "first day", "until": "last day", "as_of": "day in the past", "commit": "commit", "group": "grouping",
    "like": "passage", "news": "time of the last look", "view": "view", "changed_since": "day of the changes",
}  # fmt: skip


class Several(forms.Field):
    """Values of one name. Those that cannot be read are left out; `lost` tells how many they were."""

    widget = forms.SelectMultiple

    def __init__(self, each: forms.Field, **kwargs: Any):
        super().__init__(required=False, **kwargs)
        self.each, self.lost = each, 0

    def clean(self, value: Any) -> list[Any]:
        given = [one for one in value or () if one.strip()]
        found = [one for text in given[:MOST_CHOSEN] if (one := self._read(text)) is not None]
        self.lost = len(given) - len(found)
        return found

    def _read(self, text: str) -> Any:
        try:
            return self.each.clean(text)
        except ValidationError:
            return None


def _day(label: str) -> forms.DateField:
    """Years that a clock can mean: beyond them time zones overflow."""
    bounds = [MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
    return forms.DateField(required=False, input_formats=["%Y-%m-%d"], validators=bounds, label=label)


class SearchForm(forms.Form):
    """Every part but the query, which may be anything. What cannot be read is left out, and said."""

    mode = forms.ChoiceField(required=False, choices=[(mode, MODE_NAMES[mode]) for mode in MODES])
    memory = Several(forms.UUIDField())
    tag = Several(OneLine(max_length=50))
    type = Several(forms.ChoiceField(choices=[(family, TYPE_NAMES[family]) for family in FAMILIES]))
    author = OneLine(required=False, max_length=200)
    path = OneLine(required=False, max_length=300)
    since = _day("From")
    until = _day("Until")
    as_of = _day("As it was on")
    commit = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    group = forms.ChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")])
    like = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_KEY)
    news = forms.IntegerField(required=False, min_value=1, max_value=2**32)
    view = forms.ChoiceField(required=False, choices=list(VIEW_NAMES.items()))
    changed_since = _day("What changed since")
    offset = forms.IntegerField(required=False, min_value=0, max_value=FURTHEST)

    def __init__(self, data: QueryDict):
        # Only the fields of which the address says something: to copy the others took longer than reading it.
        self.base_fields = {name: field for name, field in self.base_fields.items() if name in data}
        super().__init__(data)

    @property
    def lost_memories(self) -> int:
        return self.fields["memory"].lost if "memory" in self.fields else 0

    def problems(self) -> list[str]:
        """One line for each filter that was left out; lost memories are not left out but found nothing in."""
        lost = [name for name, field in self.fields.items() if isinstance(field, Several) and field.lost]
        names = [name for name in (*self.errors, *lost) if name not in ("memory", "offset")]
        return [f"The {FILTER_NAMES[name]} in the address makes no sense and was left out." for name in names]


class SaveForm(forms.ModelForm):
    name = OneLine(max_length=120, label="Name")

    class Meta:
        model = SavedSearch
        fields = ("name", "shared")


class ContextForm(forms.Form):
    before = forms.IntegerField(required=False, min_value=0, max_value=MOST)
    after = forms.IntegerField(required=False, min_value=0, max_value=MOST)


class LogForm(forms.Form):
    ticket = forms.CharField(max_length=20_000)
    clicked = forms.IntegerField(required=False, min_value=1, max_value=FURTHEST + 1_000)


# -- asking


class AskForm(forms.Form):
    """`example` is a question that was offered, and pressed."""

    example = forms.CharField(max_length=LONGEST_QUESTION, required=False)
    question = forms.CharField(
        max_length=LONGEST_QUESTION,
        required=False,
        error_messages={"max_length": f"A question has at most {LONGEST_QUESTION:,} characters."},
    )
    memory = forms.UUIDField(required=False)

    def clean_question(self) -> str:
        question = self.cleaned_data.get("example") or self.cleaned_data["question"]
        question = question.encode("utf-8", "replace").decode().replace("\r\n", "\n").strip()
        if not question:
            raise forms.ValidationError("Write a question first.")
        if not any(c.isalnum() for c in question):
            raise forms.ValidationError("There is no word in this question.")
        return question


class AskPlace(forms.Form):
    """What the address says: an old or made-up one is as none."""

    memory = forms.UUIDField(required=False)
    q = forms.CharField(required=False, max_length=LONGEST_QUESTION)

    def memory_key(self) -> UUID | None:
        self.is_valid()
        return self.cleaned_data.get("memory")

    def question(self) -> str:
        self.is_valid()
        return self.cleaned_data.get("q") or ""


class TitleForm(forms.Form):
    title = forms.CharField(max_length=200)

    def clean_title(self) -> str:
        return " ".join(self.cleaned_data["title"].split())
