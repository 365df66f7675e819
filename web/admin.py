"""Registers what reviewers decide; the packages below register what is only looked at."""

from django.contrib import admin

from registry.models import Claim
from storage.models import BlockedDigest, Report
from web.review.blocks import BlockedDigestAdmin
from web.review.claims import ClaimAdmin
from web.review.reports import ReportAdmin

admin.site.register(Claim, ClaimAdmin)
admin.site.register(Report, ReportAdmin)
admin.site.register(BlockedDigest, BlockedDigestAdmin)
