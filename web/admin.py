"""Registers what reviewers decide; the packages below register what is only looked at."""

from django.contrib import admin

from registry.models import Claim
from web.review.claims import ClaimAdmin

admin.site.register(Claim, ClaimAdmin)
