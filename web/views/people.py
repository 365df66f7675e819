"""Signing up, in and out on the pages, and the choice of a language."""

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from users.errors import AccountRefusedError, TooManyAttemptsError, UsernameTakenError
from users.models import User
from users.services.accounts import create_user
from web.attempts import count_attempt
from web.forms import SignInForm, SignUpForm
from web.pages import render_page

OK, INVALID, TOO_MANY = 200, 422, 429
PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"  # noqa: S105 - a class's name


def read_next(request: HttpRequest) -> str:
    """Return where somebody wanted to go before they had to sign in: an address of this site, else the own files."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("files")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def show_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Let somebody sign in, and lead them to where they wanted to go."""
    if request.method != "POST":
        return _answer(request, "web/sign_in.html", SignInForm(), status=OK)
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _answer(request, "web/sign_in.html", form, status=INVALID)
    try:
        count_attempt(request, "sign_in")
    except TooManyAttemptsError as error:
        return _slow_down(request, "web/sign_in.html", form, error)
    user = authenticate(request, username=form.cleaned_data["username"], password=form.cleaned_data["password"])
    if not isinstance(user, User):
        form.add_error(None, _("The username or the password is wrong."))
        return _answer(request, "web/sign_in.html", form, status=INVALID)
    login(request, user)
    return redirect(read_next(request))


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def show_sign_up(request: HttpRequest) -> HttpResponseBase:
    """Make an account, sign its person in, and lead them to where they wanted to go."""
    if request.method != "POST":
        return _answer(request, "web/sign_up.html", SignUpForm(), status=OK)
    form = SignUpForm(request.POST)
    if not form.is_valid():
        return _answer(request, "web/sign_up.html", form, status=INVALID)
    try:
        count_attempt(request, "sign_up")
        user = create_user(
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password"],
            email=form.cleaned_data["email"],
            now=timezone.now(),
        )
    except TooManyAttemptsError as error:
        return _slow_down(request, "web/sign_up.html", form, error)
    except UsernameTakenError:
        form.add_error("username", _("Somebody else has this username."))
    except AccountRefusedError as error:
        for name, messages in error.messages.items():
            form.add_error(name, list(messages))
    else:
        login(request, user, backend=PASSWORD_BACKEND)
        return redirect(read_next(request))
    return _answer(request, "web/sign_up.html", form, status=INVALID)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    logout(request)
    return redirect("home")


@csrf_exempt
@require_POST
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Remember a language in a cookie and lead back.

    Without a CSRF token, so that a page that has no other form need not set a cookie: all that another site can do is
    to change the language.
    """
    return set_language(request)


def _answer(request: HttpRequest, template: str, form: SignInForm, *, status: int) -> HttpResponse:
    return render_page(request, template, {"form": form, "next": read_next(request)}, status=status)


def _slow_down(request: HttpRequest, template: str, form: SignInForm, error: TooManyAttemptsError) -> HttpResponse:
    form.add_error(
        None,
        _("Too many attempts from your address. Try again in %(minutes)d minutes.")
        % {"minutes": -(-error.wait_s // 60)},
    )
    response = _answer(request, template, form, status=TOO_MANY)
    response["Retry-After"] = str(error.wait_s)
    return response
