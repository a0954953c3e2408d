"""A secret is masked in whatever spelling a server or a library repeats it."""

from __future__ import annotations

import base64
import html
import json
import time
import urllib.parse

import pytest

from braze_mixpanel.settings.redaction import MASK, masked, protect_logs, redact, secrets_in_urls

SECRET = 'sekret"p\\w/1+ä&2<3'
IN_UTF8 = SECRET.encode()
IN_PERCENT = urllib.parse.quote(SECRET, safe="")
IN_JSON = json.dumps(SECRET)[1:-1]
SPELLINGS = {
    "plain": SECRET,
    "as Python shows it": repr(SECRET)[1:-1],
    "read as Latin-1": IN_UTF8.decode("latin-1"),
    "JSON": IN_JSON,
    "JSON with upper-case escapes": IN_JSON.replace("\\u00e4", "\\u00E4"),
    "JSON with its letters": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "JSON in JSON": json.dumps(IN_JSON)[1:-1],
    "HTML": html.escape(SECRET),
    "percent-encoded": IN_PERCENT,
    "percent-encoded in lower case": IN_PERCENT.lower(),
    "as a part of a path": urllib.parse.quote(SECRET),
    "as a form": urllib.parse.quote_plus(SECRET),
    "Base64": base64.b64encode(IN_UTF8).decode(),
    "Base64 for URLs": base64.urlsafe_b64encode(IN_UTF8).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_masked_in_every_spelling(spelling) -> None:
    assert redact(f"you sent {spelling}", {SECRET}).rstrip("=") == f"you sent {MASK}"


@pytest.mark.parametrize("user", ["u", "us", "use", "user"])
@pytest.mark.parametrize("after", ["", ":", ":x", ":xy"])
def test_a_secret_is_masked_in_the_base64_of_a_longer_text(user, after) -> None:
    sent = base64.b64encode(f"{user}:{SECRET}{after}".encode()).decode()
    shown = redact(f"you sent {sent}", {SECRET})
    assert MASK in shown
    assert len(shown) < len(f"you sent {MASK}") + 12


def test_a_second_call_forgets_no_secret() -> None:
    protect_logs({SECRET})
    protect_logs(set())
    protect_logs({"another secret"})
    assert masked(f"{SECRET}, another secret") == f"{MASK}, {MASK}"


def test_a_text_that_holds_none_stays_as_it_is() -> None:
    assert redact("nothing of the kind: sekret", {SECRET, "", "other"}) == (
        "nothing of the kind: sekret"
    )


def test_a_long_text_is_masked_in_linear_time() -> None:
    secrets = {f"{SECRET}-{number}" for number in range(20)}
    redact("", secrets)
    began = time.process_time()
    redact("sekret" * (1 << 20), secrets)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "password",
    ["p@ss-word", "half/other-half", "a:long-one", "hash#tag-here", "what?ever", "a@b@cdef"],
)
def test_a_password_with_unescaped_characters_is_known_whole_and_in_its_parts(password) -> None:
    found = secrets_in_urls({"url": f"postgresql://user:{password}@host/db?sslmode=require"})
    assert password in found
    shown = redact(f"{password} and {password.replace('@', '/')}", found)
    assert not any(part in shown for part in ("word", "half", "long", "here", "ever", "cdef"))
