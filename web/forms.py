"""What people fill in on the pages: signing in and up, and a link's price and limits."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

MSAT_PER_SAT = 1_000
SAT_MAX = 21_000_000 * 100_000_000


class SignInForm(forms.Form):
    """Name and password."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4_096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class SignUpForm(SignInForm):
    """Name and password of somebody new. The address is optional: nothing here depends on it."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        help_text=_("At most 150 letters, digits and @ . + - _. Others do not see it."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4_096,
        strip=False,
        help_text=_("At least eight characters, not only digits, and not one that many use. A long sentence is best."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    email = forms.EmailField(
        label=_("Email address (optional)"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class LinkForm(forms.Form):
    """What an owner may change of a link: empty limits are none."""

    price_sat = forms.DecimalField(
        label=_("Price of a transfer, in satoshi"), min_value=Decimal(0), max_value=SAT_MAX, decimal_places=3
    )
    expires_at = forms.DateTimeField(
        label=_("Expires (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text=_("Empty: never."),
    )
    transfers_max = forms.IntegerField(
        label=_("Maximum number of transfers"), required=False, min_value=1, help_text=_("Empty: any number.")
    )

    def clean_price_sat(self) -> int:
        """Return the price in millisatoshi."""
        price: Decimal = self.cleaned_data["price_sat"]
        return int(price * MSAT_PER_SAT)

    @property
    def limits(self) -> dict[str, Any]:
        """The cleaned values by the names that the service gives them."""
        data = self.cleaned_data
        return {
            "price_msat": data["price_sat"],
            "expires_at": data["expires_at"],
            "transfers_max": data["transfers_max"],
        }
