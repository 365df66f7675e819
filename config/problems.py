"""The one table from errors to problem documents (RFC 9457), and the answers that are made from it.

Packages raise their own errors and know nothing of HTTP. An error that has no row here, nor an ancestor with one, is
answered as a bare 500 that says nothing about it. docs/reference/api-conventions.md explains every type of problem.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from chain import errors as chain
from payouts import errors as payouts
from registry import errors as registry
from registry.api.serializers import LineOutput
from storage import errors as storage
from users import errors as users
from users.api.negotiation import PROBLEM_MEDIA_TYPE

API_PREFIX = "/api/"


@dataclass(frozen=True)
class Problem:
    """A type of problem. `members` and `headers` add facts of the error to the document and to the answer."""

    status: int
    slug: str
    title: str
    members: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    headers: Callable[[Any], Mapping[str, str]] = lambda _: {}


def _refuse_token(_: Exception) -> Mapping[str, str]:
    """Return the challenge of RFC 6750, section 3.1."""
    return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def _ask_for_token(_: Exception) -> Mapping[str, str]:
    return {"WWW-Authenticate": "Bearer"}


def _retry_soon(_: Exception) -> Mapping[str, str]:
    return {"Retry-After": "1"}


def _retry_later(_: Exception) -> Mapping[str, str]:
    return {"Retry-After": "30"}


def _retry_tomorrow(error: registry.SubmissionLimitError) -> Mapping[str, str]:
    return {"Retry-After": str(error.wait_s)}


def _show_offset(error: storage.UploadOffsetError | storage.UploadInterruptedError) -> Mapping[str, str]:
    return {"Upload-Offset": str(error.offset)}


def _show_length(error: storage.RangeNotSatisfiableError) -> Mapping[str, str]:
    return {"Content-Range": f"bytes */{error.length}"}


def _show_tus_version(_: Exception) -> Mapping[str, str]:
    return {"Tus-Version": "1.0.0"}


def _list_account_errors(error: users.AccountRefusedError) -> Mapping[str, Any]:
    return {
        "errors": [
            {"pointer": f"/{field}", "detail": message} for field, found in error.messages.items() for message in found
        ]
    }


def _show_doors(error: payouts.PaymentRequiredError) -> Mapping[str, Any]:
    """Return the price, who is paid, and the ways to pay."""
    return {
        "price": {"amount_msat": error.price_msat},
        "payees": [LineOutput(line).data for line in error.terms.lines],
        "doors": [{"door": "prepaid", "deposit": "/api/v1/deposit-addresses"}],
    }


def _show_line(error: registry.DigestLineError) -> Mapping[str, Any]:
    return {"line": error.line, "cause": error.cause}


def _show_price(error: payouts.PriceAboveMaxError) -> Mapping[str, Any]:
    return {"price": {"amount_msat": error.price_msat}}


PROBLEMS: dict[type[Exception], Problem] = {
    # Users
    users.AccountRefusedError: Problem(400, "account-refused", "Account refused", members=_list_account_errors),
    users.UsernameTakenError: Problem(409, "username-taken", "Username taken"),
    users.CredentialsRefusedError: Problem(
        401, "credentials-refused", "Wrong username or password", headers=_ask_for_token
    ),
    users.TokenUnknownError: Problem(401, "token-unknown", "Unknown token", headers=_refuse_token),
    users.TokenExpiredError: Problem(401, "token-expired", "Expired token", headers=_refuse_token),
    users.TokenRevokedError: Problem(401, "token-revoked", "Revoked token", headers=_refuse_token),
    users.UserInactiveError: Problem(401, "user-inactive", "Deactivated user", headers=_refuse_token),
    users.CsrfRefusedError: Problem(403, "csrf-refused", "CSRF token missing or wrong"),
    users.TokenNotFoundError: Problem(404, "token-not-found", "No such token"),
    users.TokenTooWeakError: Problem(403, "token-too-weak", "Token with too few scopes"),
    users.IdempotencyKeyMissingError: Problem(400, "idempotency-key-missing", "No Idempotency-Key"),
    users.IdempotencyKeyMalformedError: Problem(400, "idempotency-key-malformed", "Malformed Idempotency-Key"),
    users.IdempotencyKeyInFlightError: Problem(
        409, "idempotency-key-in-flight", "Request in flight", headers=_retry_soon
    ),
    users.IdempotencyKeyReusedError: Problem(422, "idempotency-key-reused", "Reused Idempotency-Key"),
    # Storage
    storage.EmptyBlobError: Problem(400, "empty-blob", "Empty blob"),
    storage.BlobNotFoundError: Problem(404, "blob-not-found", "No such blob"),
    storage.BlobErasedError: Problem(410, "blob-erased", "Erased blob"),
    storage.BlobUnavailableError: Problem(503, "blob-unavailable", "Blob unavailable", headers=_retry_soon),
    storage.RangeNotSatisfiableError: Problem(
        416, "range-not-satisfiable", "Range not satisfiable", headers=_show_length
    ),
    storage.LinkNotFoundError: Problem(404, "link-not-found", "No such link"),
    storage.LinkDisabledError: Problem(410, "link-disabled", "Disabled link"),
    storage.LinkDeletedError: Problem(410, "link-deleted", "Deleted link"),
    storage.LinkExpiredError: Problem(410, "link-expired", "Expired link"),
    storage.LinkUsedUpError: Problem(410, "link-used-up", "Used-up link"),
    storage.DigestBlockedError: Problem(451, "digest-blocked", "Blocked digest"),
    storage.NotLinkOwnerError: Problem(403, "not-link-owner", "Somebody else's link"),
    storage.DeletionTokenRefusedError: Problem(403, "deletion-token-refused", "Wrong deletion token"),
    storage.ExpiryOutOfRangeError: Problem(400, "expiry-out-of-range", "Expiry out of range"),
    storage.TransfersMaxOutOfRangeError: Problem(400, "transfers-max-out-of-range", "Maximum out of range"),
    storage.ReportTooLargeError: Problem(413, "report-too-large", "Report too large"),
    storage.ReportNotEncryptedError: Problem(422, "report-not-encrypted", "Report not encrypted"),
    storage.PriceOutOfRangeError: Problem(400, "price-out-of-range", "Price out of range"),
    storage.ManifestTooLargeError: Problem(413, "manifest-too-large", "Manifest too large"),
    storage.ManifestNotEncryptedError: Problem(422, "manifest-not-encrypted", "Manifest not encrypted"),
    storage.DigestMismatchError: Problem(422, "digest-mismatch", "Digest mismatch"),
    storage.UploadNotFoundError: Problem(404, "upload-not-found", "No such upload"),
    storage.UploadExpiredError: Problem(410, "upload-expired", "Expired upload"),
    storage.UploadLostError: Problem(410, "upload-lost", "Lost upload"),
    storage.UploadGoneError: Problem(410, "upload-gone", "Terminated upload"),
    storage.UploadTooLargeError: Problem(413, "upload-too-large", "Upload too large"),
    storage.UploadOverflowError: Problem(413, "upload-overflow", "More bytes than announced"),
    storage.TooManyUploadsError: Problem(409, "too-many-uploads", "Too many unfinished uploads"),
    storage.StorageFullError: Problem(507, "storage-full", "Storage full"),
    storage.QuotaExceededError: Problem(413, "quota-exceeded", "Quota exceeded"),
    storage.UploadOffsetError: Problem(409, "upload-offset", "Wrong offset", headers=_show_offset),
    storage.UploadInterruptedError: Problem(400, "upload-interrupted", "Interrupted request", headers=_show_offset),
    storage.UploadChecksumError: Problem(460, "upload-checksum", "Checksum mismatch"),
    storage.UploadBusyError: Problem(423, "upload-busy", "Upload in use", headers=_retry_soon),
    storage.UploadUnfinishedError: Problem(409, "upload-unfinished", "Unfinished upload"),
    storage.UploadCompletedError: Problem(409, "upload-completed", "Completed upload"),
    storage.UploadHeaderError: Problem(400, "upload-header", "Missing or malformed header"),
    storage.UploadMetadataError: Problem(400, "upload-metadata", "Metadata refused"),
    storage.UploadBodyLengthError: Problem(411, "upload-body-length", "Length required"),
    storage.UploadMediaTypeError: Problem(415, "upload-media-type", "Wrong media type"),
    storage.UploadVersionError: Problem(412, "upload-version", "Wrong protocol version", headers=_show_tus_version),
    # Registry
    registry.RecordNotFoundError: Problem(404, "record-not-found", "No such record"),
    registry.BatchNotFoundError: Problem(404, "batch-not-found", "No such batch"),
    registry.RecordNotReadyError: Problem(409, "record-not-ready", "Not registered yet", headers=_retry_soon),
    registry.ProofNotReadyError: Problem(409, "proof-not-ready", "No proof yet", headers=_retry_soon),
    registry.ArchivesBusyError: Problem(503, "archives-busy", "Too many archives at a time", headers=_retry_later),
    registry.RegisterMissingError: Problem(404, "register-missing", "No register yet"),
    registry.DigestLineError: Problem(400, "digest-line", "Line refused", members=_show_line),
    registry.DigestsMissingError: Problem(400, "digests-missing", "No digest"),
    registry.DigestsTooManyError: Problem(413, "digests-too-many", "Too many digests"),
    registry.BodyLengthMissingError: Problem(411, "body-length-missing", "Length required"),
    registry.SubmissionLimitError: Problem(429, "submission-limit", "Day's limit reached", headers=_retry_tomorrow),
    registry.WorkNotFoundError: Problem(404, "work-not-found", "No such work"),
    registry.PolicyNotFoundError: Problem(409, "policy-not-found", "No policy in force"),
    registry.HolderNotFoundError: Problem(404, "holder-not-found", "No such rights holder"),
    registry.ClaimNotFoundError: Problem(404, "claim-not-found", "No such claim"),
    registry.ClaimStateError: Problem(409, "claim-state", "Claim in another state"),
    registry.ClaimExistsError: Problem(409, "claim-exists", "Active claim exists"),
    # Payouts
    payouts.PaymentRequiredError: Problem(402, "payment-required", "Payment required", members=_show_doors),
    payouts.PriceAboveMaxError: Problem(409, "price-above-max", "Price above the agreed one", members=_show_price),
    payouts.BalanceFrozenError: Problem(403, "balance-frozen", "Frozen balance"),
    payouts.TransferNotFoundError: Problem(404, "transfer-not-found", "No such transfer"),
    payouts.WalletKeyMissingError: Problem(503, "deposits-closed", "Deposits are not open"),
    payouts.PayoutAddressError: Problem(400, "payout-address", "Not an address of the network"),
    payouts.StatementNotFoundError: Problem(404, "statement-not-found", "No such statement"),
    # Bitcoin
    chain.AddressError: Problem(400, "address", "Not an address of the network"),
    chain.NodeUnavailableError: Problem(503, "node-unavailable", "Bitcoin node unavailable", headers=_retry_soon),
}

# What the frameworks raise. Their messages are for the caller, except where `_DETAILS` replaces them.
FRAMEWORK_PROBLEMS: dict[type[Exception], Problem] = {
    exceptions.ParseError: Problem(400, "malformed-body", "Malformed body"),
    exceptions.ValidationError: Problem(
        400, "invalid-input", "Invalid input", members=lambda error: {"errors": list(_flatten(error.detail))}
    ),
    exceptions.NotAuthenticated: Problem(401, "token-missing", "Token required", headers=_ask_for_token),
    exceptions.AuthenticationFailed: Problem(401, "token-unknown", "Unknown token", headers=_refuse_token),
    exceptions.PermissionDenied: Problem(403, "permission-denied", "Permission denied"),
    exceptions.NotFound: Problem(404, "not-found", "Not found"),
    exceptions.MethodNotAllowed: Problem(405, "method-not-allowed", "Method not allowed"),
    exceptions.UnsupportedMediaType: Problem(415, "unsupported-media-type", "Unsupported media type"),
    exceptions.Throttled: Problem(
        429, "throttled", "Too many requests", headers=lambda error: {"Retry-After": str(int(error.wait or 1))}
    ),
    Http404: Problem(404, "not-found", "Not found"),
    PermissionDenied: Problem(403, "permission-denied", "Permission denied"),
    RequestDataTooBig: Problem(413, "body-too-large", "Body too large"),
    SuspiciousOperation: Problem(400, "bad-request", "Bad request"),
    UnreadablePostError: Problem(400, "body-interrupted", "Interrupted body"),
}
SCOPE_MISSING = Problem(403, "scope-missing", "Scope missing")
INTERNAL = Problem(500, "internal-error", "Internal error")
_DETAILS: dict[type[Exception], str] = {
    exceptions.ValidationError: "Parts of the input are not acceptable.",
    Http404: "There is nothing at this address.",
    PermissionDenied: "This request is not allowed.",
    RequestDataTooBig: "The body of the request is larger than this address accepts.",
    SuspiciousOperation: "The request could not be understood.",
    UnreadablePostError: "The request ended before its body did.",
}


def find_problem(error: Exception) -> Problem | None:
    """Return the type of problem of an error, that of its nearest ancestor in the table, or None."""
    if isinstance(error, exceptions.PermissionDenied) and error.get_codes() == "scope-missing":
        return SCOPE_MISSING
    for kind in type(error).__mro__:
        if found := PROBLEMS.get(kind) or FRAMEWORK_PROBLEMS.get(kind):
            return found
    return None


def make_document(problem: Problem, *, detail: str, members: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a problem document."""
    return {
        "type": f"{settings.CADASTRE_PUBLIC_URL}/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "code": problem.slug,
        **(members or {}),
    }


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:  # noqa: ARG001 - the hook's signature
    """Answer an error of an API view; None leaves an unlisted one to Django, which logs it and calls `server_error`."""
    problem = find_problem(error)
    if problem is None:
        return None
    document = make_document(problem, detail=_describe(error), members=problem.members(error))
    return Response(document, status=problem.status, headers=problem.headers(error), content_type=PROBLEM_MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django itself refuses with 400."""
    return _answer(request, exception) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer what Django itself refuses with 403."""
    return _answer(request, exception) or defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer an address that does not exist."""
    return _answer(request, exception) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer an error that no table lists, without a word about it."""
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _make_response(INTERNAL, make_document(INTERNAL, detail="The server failed to answer; it was logged."))


def _answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    problem = find_problem(error)
    if problem is None or not request.path.startswith(API_PREFIX):
        return None
    return _make_response(problem, make_document(problem, detail=_describe(error)))


def _make_response(problem: Problem, document: dict[str, Any]) -> HttpResponse:
    return JsonResponse(document, status=problem.status, content_type=PROBLEM_MEDIA_TYPE)


def _describe(error: Exception) -> str:
    for kind in type(error).__mro__:
        if kind in _DETAILS:
            return _DETAILS[kind]
    if isinstance(error, exceptions.APIException):
        return str(error.detail)
    return str(error)


def _flatten(detail: object, pointer: str = "") -> Iterator[dict[str, str]]:
    """Yield one entry for each message of a validation error, with a JSON Pointer (RFC 6901) to what it is about."""
    if isinstance(detail, Mapping):
        for name, part in detail.items():
            is_whole = name == "non_field_errors"
            yield from _flatten(part, pointer if is_whole else f"{pointer}/{_escape(str(name))}")
    elif isinstance(detail, list) and any(isinstance(part, list | Mapping) for part in detail):
        for index, part in enumerate(detail):
            yield from _flatten(part, f"{pointer}/{index}")
    elif isinstance(detail, list):
        for part in detail:
            yield {"pointer": pointer, "detail": str(part)}
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
