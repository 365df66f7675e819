"""The reviewers' decisions."""

import re

from django import forms

APPROVE, REJECT = "approve", "reject"
UPHOLD, UPHOLD_AND_BLOCK, DISMISS = "uphold", "block", "dismiss"
SHA256 = re.compile("(?:sha256:)?([0-9a-f]{64})")
REASON_CHARACTERS_MAX = 2_000


class DecisionForm(forms.Form):
    """Approve or reject, with the reason that is registered for ever."""

    decision = forms.ChoiceField(choices=[(APPROVE, "Approve"), (REJECT, "Reject")])
    reason = forms.CharField(
        max_length=REASON_CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Registered with the decision, and never changed afterwards.",
    )


class ReportForm(forms.Form):
    """Uphold or dismiss a report, with the reason that stays with it."""

    decision = forms.ChoiceField(
        choices=[(UPHOLD, "Uphold"), (UPHOLD_AND_BLOCK, "Uphold and block"), (DISMISS, "Dismiss")]
    )
    reason = forms.CharField(
        max_length=REASON_CHARACTERS_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Kept with the decision, and with the block if there is one.",
    )


class UnblockForm(forms.Form):
    """Repeal the block of a digest."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=forms.Textarea(attrs={"rows": 4}))


class BlockForm(UnblockForm):
    """Block a digest, whether or not a blob of it is stored."""

    sha256 = forms.CharField(label="SHA-256", help_text="64 hexadecimal digits, with or without sha256: in front.")
    field_order = ("sha256", "reason")

    def clean_sha256(self) -> bytes:
        """Return the 32 bytes. Raises ValidationError if the text is no digest."""
        match = SHA256.fullmatch(self.cleaned_data["sha256"].strip().lower())
        if match is None:
            raise forms.ValidationError("This is not a SHA-256.")
        return bytes.fromhex(match[1])
