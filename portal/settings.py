"""Django's settings for all stages; every knob comes from `portal.env`.

Nothing exists only in production: stages differ in addresses and keys, not in features.
"""

from __future__ import annotations

from pathlib import Path

from portal import env
from portal.ground import logs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENT = env.read()
_SECURE = ENVIRONMENT.url.startswith("https://")

# --- Ours, by the names of the environment -------------------------------------------------------

MOORING_ENV = ENVIRONMENT.stage
MOORING_URL = ENVIRONMENT.url
MOORING_BIND = ENVIRONMENT.bind
MOORING_KEYS = ENVIRONMENT.keys
MOORING_AUDIT_KEY = ENVIRONMENT.audit_key
MOORING_TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
MOORING_PROFILE = ENVIRONMENT.profile
MOORING_ALLOW_CIDRS = ENVIRONMENT.allow_cidrs
MOORING_ENDPOINT_ALLOW_CIDRS = ENVIRONMENT.endpoint_allow_cidrs
MOORING_ENDPOINT_ALLOW_HTTP = ENVIRONMENT.endpoint_allow_http
MOORING_CA_BUNDLE = ENVIRONMENT.ca_bundle
MOORING_EGRESS_PROXY = ENVIRONMENT.egress_proxy
MOORING_EGRESS_RANGES = ENVIRONMENT.egress_ranges
MOORING_BUILDER_RANGES = ENVIRONMENT.builder_ranges
MOORING_REGIONS = ENVIRONMENT.regions
MOORING_CONFIRM_SECONDS = ENVIRONMENT.confirm_seconds
MOORING_MASS_GUARD = ENVIRONMENT.mass_guard
MOORING_HOOK_MAX_BYTES = ENVIRONMENT.hook_max_bytes
MOORING_RATE_DEFAULT = ENVIRONMENT.rate_default
MOORING_RATE_PROVIDER = ENVIRONMENT.rate_provider
MOORING_METRICS_TOKEN = ENVIRONMENT.metrics_token
MOORING_SOCIAL_SIGN_IN = ENVIRONMENT.social_sign_in
MOORING_SANDBOX_URL = ENVIRONMENT.sandbox_url
MOORING_SPOOL = ENVIRONMENT.spool
MOORING_LEASE_MINUTES = ENVIRONMENT.lease_minutes
MOORING_LEASE_MINUTES_MAX = ENVIRONMENT.lease_minutes_max
MOORING_DELIVERY_DAYS = ENVIRONMENT.delivery_days
MOORING_ACTIVITY_DAYS = ENVIRONMENT.activity_days
# More than 100 threads in one process cost CPU and gain nothing (performance.md 2, measured).
MOORING_SWEEP_THREADS = 100
# A clone through the proxy is cut after so many seconds, or bytes of its lease; and every so many
# seconds it is asked whether the lease still stands (security.md 12: at most 10).
MOORING_CLONE_SECONDS = 4 * 3600
MOORING_CLONE_BYTES = 100 * 1024**3
MOORING_CLONE_LOOK = 4.0
# How long a page waits for a check where the browser cannot follow it (product.md G30), in seconds.
MOORING_PAGE_WAITS = 12

# --- Django --------------------------------------------------------------------------------------

SECRET_KEY = ENVIRONMENT.secret_key
# Never on: its error pages show settings and local variables, in development too.
DEBUG = False
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "portal",
    "portal.tenants",
    "bindings",
    "portal.operators.OperatorsConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",  # its templates, so that ours in templates/django/forms come first
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    # Lends its redirect and state to the bind flow; nobody signs in with it (architecture.md 2, B).
    "allauth.socialaccount",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    "portal.ground.middleware.Trace",  # outermost: every answer has its trace id
    "django.middleware.security.SecurityMiddleware",
    "portal.ground.middleware.Light",  # what follows is for pages and the API
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.ground.middleware.Headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.tenants.signin.SecondStep",
    "portal.tenants.middleware.Tenancy",  # last: it runs the view itself
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.tenants.web.context.frame",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # {{ form }} looks as we draw it

# --- Where the truth is, and where signals go ----------------------------------------------------

DATABASES = {
    # Owns nothing; a transaction becomes mooring_app or mooring_fleet (portal.ground.rls).
    "default": ENVIRONMENT.database
    | {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    },
    # Migrations only: `manage.py migrate` chooses it. A migration that has to wait for a lock
    # gives up instead of holding up the requests behind it (architecture.md 7.2).
    "owner": ENVIRONMENT.owner_database
    | {"CONN_MAX_AGE": 0, "OPTIONS": {"options": "-c lock_timeout=2s"}},
}

REDIS_URL = ENVIRONMENT.redis_url
CACHES = {
    "default": {
        "BACKEND": "portal.ground.cache.ForgetfulCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "mooring",
    },
}

CELERY_BROKER_URL = ENVIRONMENT.broker_url
# Without it Celery closes the database after every task, whatever CONN_MAX_AGE says
# (performance.md 5, trap 1: 241 connections for 240 tasks, with it 3).
CELERY_DB_REUSE_MAX = 100_000

# --- People --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
if ENVIRONMENT.stage == "test":  # a quarter of a second for each person would be most of the suite
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/t/"

ACCOUNT_ADAPTER = "portal.tenants.signin.Adapter"
SOCIALACCOUNT_ADAPTER = "portal.tenants.signin.SocialAdapter"
MFA_ADAPTER = "portal.tenants.signin.SecondStepAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"  # an invitation has already proved the address
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_LOGOUT_ON_GET = False
ALLAUTH_TRUSTED_PROXY_COUNT = ENVIRONMENT.trusted_proxies
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Mooring"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _SECURE
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # never joins accounts by itself
SOCIALACCOUNT_STORE_TOKENS = False

# Rows of the database: a signed cookie could not be ended from here (security.md 8).
SESSION_ENGINE = "django.contrib.sessions.backends.db"
_HOST_PREFIX = "__Host-" if _SECURE else ""  # browsers refuse the prefix without Secure
SESSION_COOKIE_NAME = f"{_HOST_PREFIX}mooring"
CSRF_COOKIE_NAME = f"{_HOST_PREFIX}mooring_csrf"
LANGUAGE_COOKIE_NAME = "mooring_language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
# Lax, not Strict: a code host's redirect has to find the session it started from.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.url]

# --- What browsers are told ----------------------------------------------------------------------

# Pages that send people to a code host add its origin to form-action (django-csp's csp_update).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
SECURE_HSTS_SECONDS = 365 * 86_400 if _SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = ENVIRONMENT.production
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked from inside, without TLS
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.trusted_proxies else None
)
X_FRAME_OPTIONS = "DENY"
# Other names of the same domain, and browsers' preload lists, are the domain owner's decision.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Languages, files, mail, logs ----------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [HERE / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# Collected for production only; elsewhere whitenoise serves the files from where they are.
STATIC_ROOT = ROOT / "staticfiles" if ENVIRONMENT.production else None
_STATIC_FILES = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if ENVIRONMENT.production
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_FILES},
}
WHITENOISE_USE_FINDERS = not ENVIRONMENT.production

for _name, _value in ENVIRONMENT.email.items():
    globals()[_name] = _value
EMAIL_TIMEOUT = ENVIRONMENT.email.get("EMAIL_TIMEOUT") or 10  # seconds; then it is sent later
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from

LOGGING = logs.config(ENVIRONMENT.log_format, ENVIRONMENT.log_level)

# --- The API -------------------------------------------------------------------------------------

MOORING_VERSION = "1.0.0"
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["portal.ground.rest.rendering.Json"],
    # Bodies are read by portal.ground.rest.bodies, and who calls is said by the endpoints.
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "portal.ground.rest.schema.AutoSchema",
    "EXCEPTION_HANDLER": "portal.ground.rest.problems.answer_to",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mooring",
    "DESCRIPTION": "Binds container-registry instances to the accounts where their source code"
    " lives. `Accept-Language: zh-hans` asks for Chinese sentences.",
    "VERSION": MOORING_VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/"}],  # wherever the description was read
    "POSTPROCESSING_HOOKS": [],
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # a test describes everything, without warnings
}
