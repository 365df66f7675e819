"""The review of reports: a queue, oldest first, and a page where a report is read and decided.

What a reader sealed leaves the server as it came: a reviewer decrypts it offline, with a key that the server never has.
"""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from database.admin import ReadOnlyAdmin
from storage.errors import ReportNotFoundError, StorageError
from storage.models import Report
from storage.selectors import describe_state, get_report, list_reports
from storage.services.reports import dismiss_report, uphold_report
from users.models import User
from web.review.forms import DISMISS, UPHOLD_AND_BLOCK, ReportForm

UNPROCESSABLE = 422


class StateFilter(admin.SimpleListFilter):
    """Shows open reports unless others are asked for."""

    title = "state"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return what can be asked for beside the open ones."""
        return [("decided", "Decided"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        """Yield the choices, the first of which Django calls All."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Report]) -> QuerySet[Report]:  # noqa: ARG002
        """Return the reports that are asked for."""
        if self.value() == "all":
            return queryset
        if self.value() == "decided":
            return queryset.exclude(state=Report.State.OPEN)
        return queryset.filter(state=Report.State.OPEN)


class ReportAdmin(ReadOnlyAdmin[Report]):
    """Reports as reviewers see them. Nothing can be edited: a report only moves by a decision."""

    list_display = ("id", "category", "state", "link", "owner", "created_at")
    list_filter = (StateFilter, "category", "created_at")
    search_fields = ("=id", "=link__id", "link__owner__username")
    ordering = ("created_at", "id")
    actions = None

    @admin.display(description="owner", ordering="link__owner__username")
    def owner(self, report: Report) -> str:
        """Return who made the reported link."""
        return report.link.owner.username

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:  # noqa: ARG002  Django passes it
        """Return the reports with everything that a row shows."""
        return list_reports()

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of decisions and of what is sealed."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:report_id>/decide/", wrap(self.decide), name="storage_report_decide"),
            path("<uuid:report_id>/sealed/", wrap(self.download), name="storage_report_sealed"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002  the hook's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show a report with the form that decides it."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            report_id = UUID(object_id)
        except ValueError as error:
            raise Http404 from error
        return self._show(request, report_id, ReportForm())

    def download(self, request: HttpRequest, report_id: UUID) -> HttpResponse:
        """Return the sealed file, for a reviewer to decrypt offline."""
        if not can_decide(request):
            raise PermissionDenied
        report = read_report(report_id)
        if not report.sealed:
            raise Http404
        headers = {"Content-Disposition": f'attachment; filename="report-{report.id}.age"'}
        return HttpResponse(bytes(report.sealed), content_type="application/octet-stream", headers=headers)

    def decide(self, request: HttpRequest, report_id: UUID) -> HttpResponse:
        """Uphold or dismiss a report, and say what became of it on the report's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not isinstance(request.user, User) or not can_decide(request):
            raise PermissionDenied
        form = ReportForm(request.POST)
        if not form.is_valid():
            return self._show(request, report_id, form, status=UNPROCESSABLE)
        try:
            text = decide_report(report_id=report_id, actor=request.user, form=form)
        except ReportNotFoundError as error:
            raise Http404 from error
        except StorageError as error:
            messages.warning(request, f"Nothing was changed: {error}")
        else:
            messages.success(request, text)
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:storage_report_change", args=[report_id]))

    def _show(self, request: HttpRequest, report_id: UUID, form: ReportForm, *, status: int = 200) -> HttpResponse:
        """Return the report's page."""
        report = read_report(report_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Report",
            "report": report,
            "sealed_bytes": len(report.sealed),
            "link_state": describe_state(report.link, now=timezone.now()),
            "is_open": report.state == Report.State.OPEN,
            "form": form,
            "can_decide": can_decide(request),
        }
        return TemplateResponse(request, "web/review/report.html", context, status=status)


def read_report(report_id: UUID) -> Report:
    """Return a report. Raises Http404 if there is none."""
    try:
        return get_report(report_id)
    except ReportNotFoundError as error:
        raise Http404 from error


def can_decide(request: HttpRequest) -> bool:
    """Whether a person may decide reports: the rows are read-only, so Django's change permission is asked directly."""
    return isinstance(request.user, User) and request.user.has_perm("storage.change_report")


def decide_report(*, report_id: UUID, actor: User, form: ReportForm) -> str:
    """Carry out a valid form's decision, and return what to tell the reviewer.

    Raises what uphold_report and dismiss_report raise.
    """
    decision, reason, now = form.cleaned_data["decision"], form.cleaned_data["reason"], timezone.now()
    if decision == DISMISS:
        dismiss_report(report_id=report_id, actor=actor, reason=reason, now=now)
        return "The report is dismissed. The link stays."
    is_blocking = decision == UPHOLD_AND_BLOCK
    uphold_report(report_id=report_id, actor=actor, reason=reason, is_blocking=is_blocking, now=now)
    return "The report is upheld. The link is disabled" + (", and the digest is blocked." if is_blocking else ".")
