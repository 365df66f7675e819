"""The reviewer's decision."""

from django import forms

APPROVE, REJECT = "approve", "reject"
REASON_CHARACTERS_MAX = 2_000


class DecisionForm(forms.Form):
    """Approve or reject, with the reason that is registered for ever."""

    decision = forms.ChoiceField(choices=[(APPROVE, "Approve"), (REJECT, "Reject")])
    reason = forms.CharField(
        max_length=REASON_CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Registered with the decision, and never changed afterwards.",
    )
