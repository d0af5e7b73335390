"""An OpenID Connect provider on loopback: discovery, keys, authorize, token, userinfo. Everybody who comes is `person`.

`python -m tests.collab.oidc PORT` runs one for a look by hand.
"""

import base64
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "memvid", "a secret of the two"
ADA = {"sub": "42", "email": "ada@example.org", "email_verified": True, "name": "Ada Lovelace"}


class OpenIdProvider:
    """What goes wrong is set by the test: claims of the token that differ, another key, an answer of one's own."""

    def __init__(self, port: int = 0):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signing_key: Any = self.key
        self.algorithm = "RS256"
        self.person: dict[str, Any] = dict(ADA)
        self.claims: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}  # by path, instead of the right one
        self.asked: dict[str, dict[str, str]] = {}  # log-ins on their way, by code
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- its pages

    def discovery(self) -> dict[str, Any]:
        pages = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        addresses = {f"{name}_endpoint": f"{self.issuer}/{page}" for name, page in pages.items()}
        return {**addresses, "issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"}

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": "one", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """The address that leads back."""
        assert query["client_id"] == CLIENT and query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256" and "openid" in query["scope"].split()
        code = token_urlsafe()
        self.asked[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """None for what was not asked for, or with other secrets than were agreed on. A code works once."""
        asked = self.asked.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or proof != asked["code_challenge"] or form.get("client_secret") != SECRET:
            return None
        return {
            "access_token": token_urlsafe(),
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self.signed(asked),
        }

    def signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": self.person["sub"], "iat": now, "exp": now + 60}
        claims |= {"nonce": asked.get("nonce"), **self.claims}
        return jwt.encode(claims, self.signing_key, self.algorithm, headers={"kid": "one"})


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({
                "/.well-known/openid-configuration": provider.discovery,
                "/jwks": provider.jwks,
                "/userinfo": lambda: provider.person,
            })  # fmt: skip

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self._answer({"/token": lambda: provider.token(form)})

        def _answer(self, pages: dict[str, Any]) -> None:
            place = urlsplit(self.path)
            if place.path in provider.answers:
                return self._send(*provider.answers[place.path])
            if place.path == "/authorize":
                self.send_response(302)
                query = {name: values[0] for name, values in parse_qs(place.query).items()}
                self.send_header("Location", provider.authorize(query))
                return self.end_headers()
            found = pages[place.path]() if place.path in pages else None
            self._send(400 if found is None else 200, json.dumps(found).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    return Handler


if __name__ == "__main__":
    print(OpenIdProvider(int(sys.argv[1])).issuer, CLIENT, SECRET, flush=True)
    threading.Event().wait()
