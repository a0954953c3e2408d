"""Read the service's code and message from obstore's errors, without secrets.

obstore writes everything into one text: what it was doing, the URL (that of a request with a
shared access signature as REDACTED), the HTTP status, the body of the answer, and below that a dump
of its own structures. The body may hold key ids and signatures, so only the code and the message of
the service are taken from it.
"""

from __future__ import annotations

import re
from html import unescape

from braze_mixpanel.settings.redaction import masked

_DUMP = "\n\nDebug source:"
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]*)")
_DETAILS = re.compile(r"<Details>([^<\n]*)")
_URL = re.compile(r"https?://\S+")
_IN_TIME = re.compile(r" in [\d.]+[nµm]?s\b.{0,500}?(?= - )", re.DOTALL)
_CAUSES = re.compile(
    r'message: "([^"]*)"|error: "([^"]*)"|kind: (Timeout|Connect|Decode|Body)\b'
    r"|InvalidCertificate\(\s*(\w+)|(dns error)|(ProxyAuthRequired|TunnelUnsuccessful)"
    r"|(IncompleteMessage|TimedOut|ConnectionReset)"
)
_NO_REGION = "redirect without LOCATION"
_BAD_SEGMENT = re.compile(r'[Pp]ath "(.{0,1100})"(?: contained|: Encountered)')
"""A key has at most 1,024 bytes."""
_TOKEN_REQUEST = re.compile(
    r"token request|instance metadata|credentials from|credential error|169\.254\."
    r"|metadata\.google|oauth2|TokenRequest|AssumeRoleWithWebIdentity"
)
_LONGEST = 300
_MOST_TEXT = 20_000
"""What is looked at of a text that holds the body of an answer, whatever its length."""


class ServiceError(Exception):
    """Return in one line, without secrets, the service's answer or why there is none."""

    def __init__(self, text: str, *codes: str) -> None:
        """Keep the codes.

        Args:
            text: What happened.
            codes: The service's code, the HTTP status, the class of the error.
        """
        super().__init__(text)
        self.codes = codes


def is_panic(error: BaseException) -> bool:
    """Return whether obstore panicked, as it does where settings make an impossible host.

    Its class is no `Exception` and cannot be imported.
    """
    return type(error).__name__ == "PanicException"


def as_service_error(error: BaseException, path: str) -> Exception:
    """Translate an error of obstore.

    Args:
        error: As it was raised.
        path: What was being listed or read.

    Returns:
        FileNotFoundError for an object that is not there, ServiceError for anything else.
    """
    if is_panic(error):
        return ServiceError("no host or port can be made of it", "invalid endpoint")
    whole = str(error)
    text, _, dump = whole.partition(_DUMP)
    text, dump = text[:_MOST_TEXT], dump[:_MOST_TEXT]
    status = _first(_STATUS, text)
    code = _first(_CODE, text)
    if isinstance(error, FileNotFoundError) and code not in {"NoSuchBucket", "ContainerNotFound"}:
        return FileNotFoundError(path)
    if type(error).__name__ == "InvalidPathError" or _BAD_SEGMENT.search(text):
        return _bad_path(text)
    kind = type(error).__name__
    if code or status:
        said = [code, _first(_MESSAGE, text), _first(_DETAILS, text)]
        if not code:
            said = [_plain(text.partition("status code: ")[2].partition(":")[0])]
        codes = [code, status, kind]
        if "failed to authenticate" in text:  # some answer so with a code for missing rights
            codes[0] = "AuthenticationFailed"
        if not code and _TOKEN_REQUEST.search(text):
            said.insert(0, "no credentials were found")
            codes.append("credentialretrievalerror")
        return ServiceError(_shortened(": ".join(filter(None, said))), *filter(None, codes))
    if _NO_REGION in text:
        return ServiceError("the service redirects to another region", "PermanentRedirect")
    return _no_answer(text, dump, kind)


def _no_answer(text: str, dump: str, kind: str) -> ServiceError:
    """Say why no answer came; the reason stands in the dump only."""
    causes = list(dict.fromkeys(filter(None, ("".join(c) for c in _CAUSES.findall(dump)))))
    reason = _plain(_IN_TIME.sub("", text).replace(" - ", ": "))
    said = f"{reason} ({', '.join(causes[:4])})" if causes else reason
    if "InvalidCertificate" in dump:
        return ServiceError(_shortened(said), "InvalidCertificate")
    if "ProxyAuthRequired" in dump:
        return ServiceError(_shortened(said), "ProxyAuthRequired")
    if _TOKEN_REQUEST.search(text):
        return ServiceError(_shortened(f"no credentials were found ({said})"), "NoCredentialsError")
    if "builder error" in text:
        return ServiceError(_shortened(said), "invalid endpoint")
    if "HTTP error" in text or "request or response body error" in text or causes:
        return ServiceError(_shortened(said), "ConnectionError")
    return ServiceError(_shortened(said), kind)


def _shortened(text: str) -> str:
    return masked(text)[:_LONGEST]


def _bad_path(text: str) -> ServiceError:
    """Name the folder of a key that obstore refuses to list."""
    found = _BAD_SEGMENT.search(text)
    key = found[1] if found else ""
    segments = key.split("/")
    bad = next((i for i, name in enumerate(segments) if name in {"", ".", ".."}), 0)
    folder = "/".join(segments[:bad]) or "the top of the bucket"
    return ServiceError(
        f"{folder} holds a key with an empty, '.' or '..' part ({key!r})", "InvalidKey"
    )


def _plain(text: str) -> str:
    """Take URLs out, which may be signed, and join lines."""
    return " ".join(_URL.sub(_without_query, text).split()).rstrip(".: ")


def _without_query(url: re.Match[str]) -> str:
    return re.sub(r"://[^/@]*@", "://", url[0].partition("?")[0])


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return " ".join(unescape(found[1]).split()) if found else ""
