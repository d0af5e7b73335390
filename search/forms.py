"""What the address of a search may say besides the query, which may be anything."""

from django import forms

FURTHEST = 10_000


class WhereForm(forms.Form):
    memory = forms.UUIDField(required=False)
    offset = forms.IntegerField(required=False, min_value=0, max_value=FURTHEST)
