"""All settings, read top to bottom. What an operator may change comes from the environment: see docs/operations.md."""

import os
from pathlib import Path
from urllib.parse import urlparse

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.templatetags.static import static
from django.urls import reverse_lazy
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from memories.engine.errors import UsageError
from search.engine.llm import Model

BASE_DIR = Path(__file__).resolve().parent.parent


def env_flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value not in ("", "0", "1", "no", "yes", "false", "true"):
        raise ImproperlyConfigured(f"{name} is {value!r}: write 1 or 0")
    return default if value == "" else value in ("1", "yes", "true")


def env_number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    if value and not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number")
    return int(value) if value else default


def env_list(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def env_database(name: str, default: str) -> dict:
    """A libpq URI (RFC 3986; Unix sockets in ?host=) as Django's settings."""
    try:
        parts = conninfo_to_dict(os.environ.get(name) or default)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"{name} is no PostgreSQL address: {error}") from None
    keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {key: parts.pop(part, "") for key, part in keys.items()}
    return {"ENGINE": "django.db.backends.postgresql", **found, "OPTIONS": parts}


def kept_secret(path: Path) -> str:
    """A secret of this installation, made at its first start and readable by its user alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(get_random_secret_key())
    return path.read_text().strip()


def oidc_apps() -> list[dict]:
    """The OpenID Connect provider, where one is set up."""
    issuer, client = os.environ.get("OIDC_ISSUER", "").rstrip("/"), os.environ.get("OIDC_CLIENT_ID", "")
    if not issuer:
        return []
    if urlparse(issuer).scheme not in ("https", "http") or not urlparse(issuer).netloc:
        raise ImproperlyConfigured(
            f"OIDC_ISSUER is {issuer!r}: write the provider's address, as https://login.example.org"
        )
    if not client:
        raise ImproperlyConfigured("OIDC_CLIENT_ID is missing: write the name that this site has at the provider")
    return [
        {
            "provider_id": "oidc",
            "name": os.environ.get("OIDC_NAME") or "Single sign-on",
            "client_id": client,
            "secret": os.environ.get("OIDC_CLIENT_SECRET", ""),
            "settings": {"server_url": issuer, "email_authentication": env_flag("OIDC_TRUST_EMAIL")},
        }
    ]


# -- where things are

MEMVID_DATA_DIR = Path(os.environ.get("MEMVID_DATA_DIR") or BASE_DIR / ".run" / "data").resolve()
DEBUG = env_flag("DEBUG")
SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret(MEMVID_DATA_DIR / "secret-key")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
SITE_URL = os.environ.get("SITE_URL", f"http://localhost:{env_number('PORT', 8000)}")

# -- the application

INSTALLED_APPS = [
    "daphne",  # first, so that it takes over runserver
    "unfold",  # before the admin that it dresses
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgvector.django",
    "channels",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "collab.sso",
    "auditlog",
    "collab",
    "memories",
    "search",
]
MIDDLEWARE = [
    "memvid_site.health.probes",
    "django.middleware.security.SecurityMiddleware",
    "memvid_site.policy.ContentSecurityPolicy",
    "memvid_site.errors.refuse_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "collab.audit.name_actor",
    "collab.middleware.CurrentWorkspace",
]
ROOT_URLCONF = "memvid_site.urls"
ASGI_APPLICATION = "memvid_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "collab.context.shell",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
USE_I18N = False  # all pages are in English; looking for translations was a sixth of the time of a list page
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"

# -- stores

RUN_DIR = MEMVID_DATA_DIR / "run"
DATABASES = {"default": env_database("DATABASE_URL", f"postgresql://postgres@/memvid?host={RUN_DIR}")}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# How far the index of vectors is walked: until enough of what it finds may be seen by who asks.
VECTOR_WALK = "-c hnsw.ef_search=200 -c hnsw.iterative_scan=relaxed_order -c hnsw.max_scan_tuples=40000"
DATABASES["default"]["OPTIONS"]["options"] = f"{DATABASES['default']['OPTIONS'].get('options', '')} {VECTOR_WALK}"
if env_flag("DATABASE_POOL"):  # for the web process; a pool must not be carried over a fork into a worker
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 24, "timeout": 8}

REDIS_URL = os.environ.get("REDIS_URL") or f"unix://{RUN_DIR}/valkey.sock"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "memvid"},
    }
}

# kombu writes the address of a Unix socket in its own way
CELERY_BROKER_URL = f"redis+socket://{urlparse(REDIS_URL).path}" if REDIS_URL.startswith("unix:") else REDIS_URL
CELERY_RESULT_BACKEND = None  # a Job row says how far a task is
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 2.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 3}
CELERY_BEAT_SCHEDULE = {
    "reap": {"task": "memories.tasks.reap_jobs", "schedule": 10.0, "options": {"expires": 10}},
    "follow": {"task": "memories.tasks.follow_files", "schedule": 15.0, "options": {"expires": 15}},
    "live-commits": {"task": "collab.tasks.write_edits", "schedule": 5.0, "options": {"expires": 5}},
    "live-compaction": {"task": "collab.tasks.compact_logs", "schedule": 10.0, "options": {"expires": 10}},
    "empty-trash": {"task": "memories.tasks.empty_trash", "schedule": 3600.0, "options": {"expires": 3600}},
    "digests": {"task": "collab.tasks.send_digests", "schedule": 3600.0, "options": {"expires": 3600}},
}
JOB_LEASE_SECONDS = env_number("MEMVID_JOB_LEASE_SECONDS", 20)

# -- live editing: edits are written into the video when a document has rested, and at the latest after a while

LIVE_QUIET_SECONDS = env_number("MEMVID_LIVE_QUIET_SECONDS", 30)
LIVE_LONGEST_SECONDS = env_number("MEMVID_LIVE_LONGEST_SECONDS", 300)

# -- search by meaning: one process holds the model

EMBEDDER_SOCKET = os.environ.get("MEMVID_EMBEDDER_SOCKET") or f"{RUN_DIR}/embedder.sock"

# -- answers by a language model: any server that speaks OpenAI's protocol; none set up is no mistake

try:
    LLM = Model.of(
        os.environ.get("MEMVID_LLM_BASE_URL", ""),
        os.environ.get("MEMVID_LLM_MODEL", ""),
        os.environ.get("MEMVID_LLM_API_KEY", ""),
    )
except UsageError as error:
    raise ImproperlyConfigured(str(error)) from None

# -- uploads

MEMVID_MAX_UPLOAD = env_number("MEMVID_MAX_UPLOAD_MB", 200) << 20  # bytes of one file
MEMVID_MAX_IMPORT = env_number("MEMVID_MAX_IMPORT_MB", 4096) << 20  # bytes of a memory file that is imported
MEMVID_MAX_FILES = env_number("MEMVID_MAX_FILES", 10_000)  # files of one upload
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 500  # of one request; the page sends a large folder in several
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_TEMP_DIR = MEMVID_DATA_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)

# -- people

AUTH_USER_MODEL = "collab.User"
AUTHENTICATION_BACKENDS = [
    "collab.accounts.Backend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = os.environ.get("MEMVID_EMAIL_VERIFICATION", "optional")
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "collab.accounts.AccountAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Memvid Workspace"
SOCIALACCOUNT_ADAPTER = "collab.sso.adapter.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": oidc_apps()}}
MEMVID_OPEN_SIGNUP = env_flag("MEMVID_OPEN_SIGNUP", True)
EMAIL_BACKEND = os.environ.get("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = env_number("EMAIL_PORT", 25)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env_flag("EMAIL_USE_TLS")
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "memvid@localhost")

# -- what a browser may do

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# The admin theme ships Alpine, which compiles expressions, and styles elements from scripts.
ADMIN_CONTENT_SECURITY_POLICY = {"script-src": [SELF, UNSAFE_EVAL, NONCE], "style-src": [SELF, UNSAFE_INLINE]}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = env_flag("SECURE_SSL_REDIRECT")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_flag("BEHIND_PROXY") else None
SESSION_ENGINE = "collab.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_URL.startswith("https:")
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "memvid_site.errors.csrf_failure"

# -- static files: built by `make front`, served by WhiteNoise

STATIC_URL = "/static/"
STATIC_ROOT = MEMVID_DATA_DIR / "staticfiles"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static" / "dist"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# The indigo of the site, light enough at 500 for words on dark grounds.
_SHADES = (
    "50 #eef0fd 100 #dfe3fb 200 #c5ccf7 300 #aab4ff 400 #9ba7ff 500 #8794f5"
    " 600 #3f51c6 700 #3546ad 800 #2c3a8f 900 #263273 950 #171e47"
).split()
UNFOLD = {
    "SITE_TITLE": "Memvid Workspace",
    "SITE_HEADER": "Curation",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
    "SITE_LOGO": None,
    "COLORS": {"primary": dict(zip(_SHADES[::2], _SHADES[1::2], strict=True))},
    "STYLES": [lambda request: static("memories/admin.css")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "LOGIN": {"redirect_after": lambda request: reverse_lazy("admin:index")},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"memvid": {"level": "INFO"}},
}
