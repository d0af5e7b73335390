"""The site's settings with a password hash that costs nothing: people are made by the hundred here."""

from memvid_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
