"""The review of claims: a queue, oldest first, and a page where a claim is read and decided."""

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
from registry.errors import ClaimNotFoundError, ClaimStateError, RegistryError
from registry.models import Claim
from registry.services.claims import approve_claim, reject_claim
from users.models import User
from web.review.forms import APPROVE, DecisionForm
from web.selectors.claims import PREVIEW_TRANSFERS, get_claim_view, list_claims
from web.templatetags.cadastre import percent

PPM_WHOLE = 1_000_000
UNPROCESSABLE = 422


class ClaimAdmin(ReadOnlyAdmin[Claim]):
    """Claims as reviewers see them. Nothing can be edited: a claim only moves by a decision."""

    list_display = ("title", "state", "holder", "share", "basis", "submitted_by", "submitted_at")
    list_filter = ("state", "basis", "submitted_at")
    list_select_related = ("holder", "work", "submitted_by")
    search_fields = ("title", "holder__name", "submitted_by__username", "=id", "=work__id", "=record__id")
    ordering = ("submitted_at", "id")
    actions = None

    @admin.display(description="share", ordering="share_ppm")
    def share(self, claim: Claim) -> str:
        """Return the claimed share in percent of what is left after fees."""
        return percent(claim.share_ppm, PPM_WHOLE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Claim]:  # noqa: ARG002  Django passes it
        """Return the claims with everything that a row shows."""
        return list_claims()

    def get_urls(self) -> list[URLPattern]:
        """Add the address that decisions are sent to."""
        decide = self.admin_site.admin_view(self.decide)
        return [path("<uuid:claim_id>/decide/", decide, name="registry_claim_decide"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002  the hook's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show a claim with the form that decides it."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            claim_id = UUID(object_id)
        except ValueError as error:
            raise Http404 from error
        return self._show(request, claim_id, DecisionForm())

    def decide(self, request: HttpRequest, claim_id: UUID) -> HttpResponse:
        """Approve or reject a claim, and say what became of it on the claim's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = request.user
        if not isinstance(user, User) or not can_decide(user):
            raise PermissionDenied
        form = DecisionForm(request.POST)
        if not form.is_valid():
            return self._show(request, claim_id, form, status=UNPROCESSABLE)
        try:
            text = decide_claim(claim_id=claim_id, actor=user, form=form)
        except ClaimNotFoundError as error:
            raise Http404 from error
        except ClaimStateError as error:
            messages.warning(request, f"Nothing was changed: {error}.")
        except RegistryError as error:
            messages.error(request, f"Not decided: {error}")
        else:
            messages.success(request, text)
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:registry_claim_change", args=[claim_id]))

    def _show(self, request: HttpRequest, claim_id: UUID, form: DecisionForm, *, status: int = 200) -> HttpResponse:
        """Return the claim's page."""
        try:
            view = get_claim_view(claim_id, now=timezone.now())
        except ClaimNotFoundError as error:
            raise Http404 from error
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Claim",
            "subtitle": view.claim.title,
            "view": view,
            "form": form,
            "can_decide": isinstance(request.user, User) and can_decide(request.user),
            "preview_transfers": PREVIEW_TRANSFERS,
        }
        return TemplateResponse(request, "web/review/claim.html", context, status=status)


def can_decide(user: User) -> bool:
    """Whether a person may decide claims: the rows are read-only, so Django's change permission is asked directly."""
    return user.has_perm("registry.change_claim")


def decide_claim(*, claim_id: UUID, actor: User, form: DecisionForm) -> str:
    """Carry out a valid form's decision, and return what to tell the reviewer.

    Raises what approve_claim and reject_claim raise.
    """
    reason = form.cleaned_data["reason"]
    now = timezone.now()
    if form.cleaned_data["decision"] == APPROVE:
        policy = approve_claim(claim_id=claim_id, actor=actor, reason=reason, now=now)
        return f"The claim is approved. Version {policy.version} of the work's split policy is in force."
    reject_claim(claim_id=claim_id, actor=actor, reason=reason, now=now)
    return "The claim is rejected. No split policy changed."
