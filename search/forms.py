"""What the address of a search may say besides the query, which may be anything."""

from uuid import UUID

from django import forms

FURTHEST = 10_000


class WhereForm(forms.Form):
    memory = forms.UUIDField(required=False)
    offset = forms.IntegerField(required=False, min_value=0, max_value=FURTHEST)


LONGEST_QUESTION = 1_000


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
