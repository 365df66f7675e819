"""Every setting of the server, read from the environment. docs/reference/settings.md explains each one."""

import stat
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from chain.networks import SIGNET_CHALLENGE
from config import content_security
from config.databases import parse_database_url
from config.env import Environment

# Lets classes be written with their type parameters, ModelAdmin[Record] for example, which Django itself refuses.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# --- Where this runs ---
CADASTRE_ENVIRONMENT = env.text("CADASTRE_ENVIRONMENT", "development")
if CADASTRE_ENVIRONMENT not in {"development", "production"}:
    raise ImproperlyConfigured("CADASTRE_ENVIRONMENT must be development or production.")
IS_PRODUCTION = CADASTRE_ENVIRONMENT == "production"
CADASTRE_VAR_DIR = Path(env.text("CADASTRE_VAR_DIR", str(BASE_DIR / "var" / "development"))).resolve()
CADASTRE_PUBLIC_URL = env.text("CADASTRE_PUBLIC_URL", None if IS_PRODUCTION else "http://127.0.0.1:8000").rstrip("/")

DEBUG = False
ALLOWED_HOSTS = env.words("CADASTRE_ALLOWED_HOSTS", "" if IS_PRODUCTION else "127.0.0.1,localhost")


def read_development_secret(name: str) -> str:
    """Return a secret that `manage.py init_keys` wrote below the data directory, or "" before it did.

    Raises ImproperlyConfigured if the file can be read by others.
    """
    path = CADASTRE_VAR_DIR / "keys" / name
    if not path.exists():
        return ""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ImproperlyConfigured(f"{path} must be readable by its owner alone.")
    return path.read_text(encoding="ascii").strip()


def secret(name: str, file_name: str, *, is_required: bool) -> str:
    """Return a secret from the environment, or in development from the file that `manage.py init_keys` wrote."""
    if IS_PRODUCTION:
        return env.text(name, None if is_required else "")
    return env.text(name, read_development_secret(file_name))


SECRET_KEY = secret("CADASTRE_SECRET_KEY", "secret_key", is_required=True) or (
    # Only until `manage.py init_keys` has run; a system check refuses to serve with it.
    "not-initialised"
)

# --- Bitcoin ---
CADASTRE_NETWORK = env.text("CADASTRE_NETWORK", None if IS_PRODUCTION else "regtest")
CADASTRE_SIGNET_CHALLENGE = env.text("CADASTRE_SIGNET_CHALLENGE", SIGNET_CHALLENGE)
CADASTRE_NODE_URL = env.text("CADASTRE_NODE_URL", None if IS_PRODUCTION else "http://cadastre:cadastre@127.0.0.1:18443")
CADASTRE_NODE_TIMEOUT_SECONDS = env.integer("CADASTRE_NODE_TIMEOUT_SECONDS", 30, minimum=1)
CADASTRE_NODE_TRANSPORT = env.text("CADASTRE_NODE_TRANSPORT", "chain.transports.HttpTransport")
CADASTRE_CHAIN_START_HEIGHT = env.integer("CADASTRE_CHAIN_START_HEIGHT", 0)
CADASTRE_CONFIRMATIONS_FINAL = env.integer("CADASTRE_CONFIRMATIONS_FINAL", 6, minimum=1)
CADASTRE_ANCHOR_KEY = secret("CADASTRE_ANCHOR_KEY", "anchor_key", is_required=False)
CADASTRE_ANCHOR_NEXT_KEY = env.text("CADASTRE_ANCHOR_NEXT_KEY", "")
CADASTRE_ANCHOR_DEADLINE_BLOCKS = env.integer("CADASTRE_ANCHOR_DEADLINE_BLOCKS", 12, minimum=1)
CADASTRE_ANCHOR_DAILY_CAP_SAT = env.integer("CADASTRE_ANCHOR_DAILY_CAP_SAT", 200_000, minimum=1)
CADASTRE_PAYOUT_XPUB = secret("CADASTRE_PAYOUT_XPUB", "payout_xpub", is_required=False)
CADASTRE_PAYOUT_XPRV = secret("CADASTRE_PAYOUT_XPRV", "payout_xprv", is_required=False)
CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = env.integer("CADASTRE_FEE_RATE_MIN_SAT_PER_KVB", 1_000, minimum=100)
CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = env.integer("CADASTRE_FEE_RATE_MAX_SAT_PER_KVB", 200_000, minimum=1_000)

# --- Registry ---
CADASTRE_REGISTRAR = env.text("CADASTRE_REGISTRAR", "cadastre.localhost" if not IS_PRODUCTION else None)
CADASTRE_SEAL_AGE_SECONDS = env.integer("CADASTRE_SEAL_AGE_SECONDS", 600)
CADASTRE_SEAL_COUNT = env.integer("CADASTRE_SEAL_COUNT", 10_000, minimum=1)
CADASTRE_SEAL_CHUNK = env.integer("CADASTRE_SEAL_CHUNK", 10_000, minimum=1)
CADASTRE_BULK_RECORDS_PER_DAY = env.integer("CADASTRE_BULK_RECORDS_PER_DAY", 1_000_000)
CADASTRE_ANCHORS_FILES_PER_HOUR = env.integer("CADASTRE_ANCHORS_FILES_PER_HOUR", 600, minimum=1)
CADASTRE_ARCHIVES_PER_HOUR = env.integer("CADASTRE_ARCHIVES_PER_HOUR", 120, minimum=1)
CADASTRE_ARCHIVES_AT_ONCE = env.integer("CADASTRE_ARCHIVES_AT_ONCE", 2, minimum=1)
CADASTRE_RECENT_BLOCK_DEPTH = env.integer("CADASTRE_RECENT_BLOCK_DEPTH", 100, minimum=1, maximum=10_000)
CADASTRE_PLATFORM_FEE_BP = env.integer("CADASTRE_PLATFORM_FEE_BP", 1_000, maximum=10_000)

# --- Storage ---
CADASTRE_UPLOAD_BYTES_MAX = env.integer("CADASTRE_UPLOAD_BYTES_MAX", 64 * 2**30, minimum=1)
CADASTRE_ACCEL_LOCATION = env.text("CADASTRE_ACCEL_LOCATION", "")
CADASTRE_UPLOAD_DIR = Path(env.text("CADASTRE_UPLOAD_DIR", str(CADASTRE_VAR_DIR / "uploads"))).resolve()
CADASTRE_UPLOADS_UNFINISHED_MAX = env.integer("CADASTRE_UPLOADS_UNFINISHED_MAX", 100, minimum=1)
CADASTRE_UPLOAD_EXPIRY_SECONDS = env.integer("CADASTRE_UPLOAD_EXPIRY_SECONDS", 7 * 86_400, minimum=60)
CADASTRE_UPLOAD_IDLE_SECONDS = env.integer("CADASTRE_UPLOAD_IDLE_SECONDS", 60, minimum=1)
CADASTRE_UPLOAD_CHECKPOINT_BYTES = env.integer("CADASTRE_UPLOAD_CHECKPOINT_BYTES", 32 * 2**20, minimum=2**16)
CADASTRE_STORAGE_QUOTA_BYTES = env.integer("CADASTRE_STORAGE_QUOTA_BYTES", 256 * 2**30)
CADASTRE_DISK_RESERVE_BYTES = env.integer("CADASTRE_DISK_RESERVE_BYTES", 256 * 2**20)
CADASTRE_MANIFEST_BYTES_MAX = env.integer("CADASTRE_MANIFEST_BYTES_MAX", 2**20, minimum=1_024)
CADASTRE_REVIEWERS_RECIPIENT = env.text("CADASTRE_REVIEWERS_RECIPIENT", "")

# --- Money ---
CADASTRE_DEPOSIT_CONFIRMATIONS = env.integer("CADASTRE_DEPOSIT_CONFIRMATIONS", 6, minimum=1)
CADASTRE_DEPOSIT_MIN_SAT = env.integer("CADASTRE_DEPOSIT_MIN_SAT", 1_000, minimum=1)
CADASTRE_ENTITLEMENT_SECONDS = env.integer("CADASTRE_ENTITLEMENT_SECONDS", 86_400, minimum=1)
CADASTRE_WINDOW_SECONDS = env.integer("CADASTRE_WINDOW_SECONDS", 3_600, minimum=1)
CADASTRE_PAYOUT_THRESHOLD_SAT = env.integer("CADASTRE_PAYOUT_THRESHOLD_SAT", 10_000, minimum=546)
CADASTRE_PAYOUT_INTERVAL_SECONDS = env.integer("CADASTRE_PAYOUT_INTERVAL_SECONDS", 86_400, minimum=1)
CADASTRE_PAYOUT_APPROVAL_SAT = env.integer("CADASTRE_PAYOUT_APPROVAL_SAT", 10_000_000)

# --- Celery ---
CADASTRE_SWEEP_SECONDS = env.integer("CADASTRE_SWEEP_SECONDS", 5, minimum=1)
CADASTRE_BROKER_URL = env.text(
    "CADASTRE_BROKER_URL", None if IS_PRODUCTION else f"embedded+sqlite:///{CADASTRE_VAR_DIR}/broker.sqlite3"
)
CADASTRE_HEALTH_WAIT_SECONDS = env.integer("CADASTRE_HEALTH_WAIT_SECONDS", 10_800, minimum=1)
CADASTRE_HEALTH_CHAIN_SECONDS = env.integer("CADASTRE_HEALTH_CHAIN_SECONDS", 1_800, minimum=120)
CADASTRE_HEALTH_FUNDS_ANCHORS = env.integer("CADASTRE_HEALTH_FUNDS_ANCHORS", 20)

# --- Django ---
INSTALLED_APPS = [
    "config.apps.CadastreAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "users",
    "chain",
    "storage",
    "registry",
    "payouts",
    "web",
    "config.apps.ConfigConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "web.languages.PageLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {
    "default": parse_database_url(
        env.text(
            "CADASTRE_DATABASE_URL",
            None if IS_PRODUCTION else f"sqlite:///{CADASTRE_VAR_DIR}/cadastre.sqlite3",
        ),
        sqlite_backend=env.text("CADASTRE_SQLITE_BACKEND", "django.db.backends.sqlite3"),
        postgresql_backend=env.text("CADASTRE_POSTGRESQL_BACKEND", "django.db.backends.postgresql"),
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = IS_PRODUCTION
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = CADASTRE_VAR_DIR / "static"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": CADASTRE_VAR_DIR / "files"},
    },
    "blobs": {
        "BACKEND": "storage.backends.DirectoryStorage",
        "OPTIONS": {"location": CADASTRE_VAR_DIR / "blobs", "accel_location": CADASTRE_ACCEL_LOCATION},
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ADD_HEADERS_FUNCTION = content_security.add_worker_policy

SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_PRODUCTION
SECURE_HSTS_PRELOAD = IS_PRODUCTION
# With no-referrer, browsers send `Origin: null` with forms, which the CSRF check must refuse.
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_SECURE = IS_PRODUCTION
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY: dict[str, Any] = content_security.POLICY
# Uploads arrive on tus's own path and are streamed; no other body may be large.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "users.api.authentication.TokenAuthentication",
        "users.api.authentication.SiteSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["users.api.permissions.Denied"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "users.api.negotiation.OneFormat",
    "DEFAULT_PAGINATION_CLASS": "users.api.pagination.TimeCursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.problems.exception_handler",
    "DEFAULT_THROTTLE_RATES": {
        "sign_up": "20/hour",
        "sign_in": "60/hour",
        "report": "20/hour",
        "anchors": f"{CADASTRE_ANCHORS_FILES_PER_HOUR}/hour",
        "archives": f"{CADASTRE_ARCHIVES_PER_HOUR}/hour",
    },
    # How many proxies in front append to X-Forwarded-For; what a client writes there itself must not evade throttling.
    "NUM_PROXIES": env.integer("CADASTRE_PROXY_COUNT", 1 if IS_PRODUCTION else 0),
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Cadastre",
    "DESCRIPTION": "A public register of encrypted files, anchored in Bitcoin, paid per transfer.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.drop_engine_ranges",
    ],
}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
