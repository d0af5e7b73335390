"""What a provider says, and what of it is believed."""

from typing import Any

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60  # seconds that the clocks of two machines may differ
LONGEST_SUBJECT = 191  # characters, as the column has
KNOWN = ("email", "name", "given_name", "family_name", "preferred_username")
NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class Unproven(OAuth2Error):
    """What the provider sent does not show who somebody is. The text is for the log."""


def fetched(url: str, token: str = "") -> dict[str, Any]:
    """A JSON object; raises RequestException where there is none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with get_adapter().get_requests_session() as session:
        answer = session.get(url, headers=headers)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise Unproven(f"{url} is no JSON object")
    return found


def configuration(url: str) -> dict[str, Any]:
    found = fetched(url)
    for name in NEEDED:
        if not str(found.get(name)).startswith(("https://", "http://")):
            raise Unproven(f"{url} names no {name}")
    return found


def proven(id_token: Any, config: dict[str, Any], client: str, nonce: str | None) -> dict[str, Any]:
    """The claims of a token that this provider has signed, for this site, for this log-in, and not long ago."""
    try:
        key = _key(jwt.PyJWKSet.from_dict(fetched(config["jwks_uri"])), jwt.get_unverified_header(id_token).get("kid"))
        claims = jwt.decode(
            id_token, key, algorithms=ALGORITHMS, issuer=config["issuer"], audience=client, leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )  # fmt: skip
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
        raise Unproven(f"its token does not hold: {error}") from error
    if nonce is None or claims.get("nonce") != nonce:
        raise Unproven("its token is of another log-in: the nonce is not ours")
    return claims


def _key(keys: jwt.PyJWKSet, name: Any) -> jwt.PyJWK:
    fitting = [key for key in keys.keys if name in (None, key.key_id)]
    if not fitting:
        raise Unproven("its token is signed with a key that it does not publish")
    return fitting[0]


def person(claims: dict[str, Any], userinfo: dict[str, Any] | None) -> dict[str, Any]:
    """What is kept of somebody: only what is used, and only text."""
    subject = claims["sub"]
    if not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
        raise Unproven("its name for the person cannot be kept")
    if userinfo is not None and userinfo.get("sub") != subject:  # OpenID Connect Core 1.0, 5.3.2
        raise Unproven("the token and the userinfo are of two people")
    said = {**claims, **(userinfo or {})}
    kept = {name: said[name].replace("\0", "") for name in KNOWN if isinstance(said.get(name), str)}
    return {**kept, "sub": subject, "email_verified": said.get("email_verified") in (True, "true")}
