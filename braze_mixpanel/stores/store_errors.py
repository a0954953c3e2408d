"""The errors of file systems and cloud services, in one line each.

What an error means is judged by its codes: the service's own and the HTTP status, also those of
the errors that it was raised from, and the names of its classes. Only where no code says anything
do the words of its text count, without what may be the name of a bucket or a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_mixpanel.stores.use import Use


class _Rule(NamedTuple):
    """Applies to errors with one of these codes, or with one of these words in their text."""

    error: type[ConnectorError]
    codes: str
    """In lower case: codes of services, HTTP statuses, names of exception classes."""
    words: tuple[str, ...]
    advice: str


_MISSING = (
    "{url} does not exist or is empty. Set {setting} to the folder that holds the Currents files."
)
_DENIED = (
    "{url} may not be {done}: {text}. Give these credentials the right {rights} below that prefix."
)
_NO_BUCKET = "The bucket of {url} does not exist. Create it, or name another one in {setting}."
_RULES = (
    _Rule(
        SettingsError,
        "invalidkey invalidpatherror",
        (),
        "{url} cannot be listed: {text}. Rename or delete that object.",
    ),
    _Rule(
        SettingsError,
        "listingtoolarge",
        (),
        "{url} cannot be listed: {text}. Is the address in endpoint_url that of a store?",
    ),
    _Rule(
        SettingsError,
        "invalidcertificate",
        (),
        "{url} cannot be trusted: {text}. Set SSL_CERT_FILE to your own certificates.",
    ),
    _Rule(
        SettingsError,
        "407 proxyauthrequired",
        (),
        "{url} cannot be reached: the proxy refuses to connect without a login ({text}). Put its "
        "user and password into HTTPS_PROXY, or exempt the host in NO_PROXY.",
    ),
    _Rule(
        SettingsError,
        "userprojectmissing requesterpays",
        (),
        "{url} cannot be {done}: {text}. Set requester_pays in {options}.",
    ),
    _Rule(
        SettingsError,
        "typeerror",
        ("unexpected keyword", "protocol not known", "multiple values", "invalid endpoint"),
        "{url} cannot be opened: {text}. Check {setting} and the names in {options}.",
    ),
    _Rule(
        SettingsError,
        "301 permanentredirect illegallocationconstraintexception authorizationheadermalformed",
        ("permanentredirect", "illegallocationconstraint", "headermalformed", "301 moved"),
        "{url} lies in another region: {text}. Set client_kwargs.region_name in {options}, "
        "or AWS_DEFAULT_REGION.",
    ),
    _Rule(
        SettingsError,
        "expiredtoken expiredtokenexception tokenrefreshrequired requestexpired",
        ("expiredtoken", "token has expired", "token is expired"),
        "{url} cannot be {done}: the credentials have expired ({text}). Renew them and run again.",
    ),
    _Rule(
        SettingsError,
        "requesttimetooskewed",
        ("requesttimetooskewed",),
        "{url} cannot be {done}: the clock of this machine is wrong ({text}). Set it and run "
        "again.",
    ),
    _Rule(
        SettingsError,
        "invalidobjectstate blobarchived",
        (),
        "{url} lies in an archive: {text}. Restore it, or set start_date to a later hour.",
    ),
    _Rule(
        SettingsError,
        "kms.disabledexception kms.notfoundexception kms.kmsinvalidstateexception "
        "kms.invalidstateexception kms.invalidkeyusageexception kms.accessdeniedexception",
        (),
        "{url} cannot be decrypted: {text}. Check its key, and the right of these credentials to "
        "use it.",
    ),
    _Rule(
        TemporaryError,
        "slowdown internalerror serviceunavailable requesttimeout throttling throttlingexception "
        "toomanyrequests requestlimitexceeded bandwidthlimitexceeded serverbusy operationtimedout "
        "kms.throttlingexception kms.internalexception 408 425 429 500 502 503 504",
        (),
        "{url} cannot be reached: {text}. Run again later.",
    ),
    _Rule(
        SettingsError,
        "404 nosuchbucket containernotfound filesystemnotfound resourcenotfound nosuchkey "
        "filenotfounderror resourcenotfounderror",
        ("nosuchbucket", "containernotfound", "resourcenotfound", "bucket does not exist"),
        _MISSING,
    ),
    _Rule(
        SettingsError,
        "401 invalidaccesskeyid signaturedoesnotmatch invalidtoken authenticationfailed "
        "invalidauthenticationinfo noauthenticationinformation nocredentialserror "
        "partialcredentialserror credentialretrievalerror clientauthenticationerror "
        "defaultcredentialserror refresherror unauthenticatederror publicaccessnotpermitted",
        (
            "credential",
            "accesskeyid",
            "signature",
            "invalidtoken",
            "invalid_grant",
            "authenticationfailed",
            "unauthorized",
            "anonymous caller",
        ),
        "{url} cannot be {done} with these credentials: {text}. Set the usual ones of the cloud "
        "(environment, profile, role), or {options}.",
    ),
    _Rule(
        SettingsError,
        "403 accessdenied allaccessdisabled authorizationfailure authorizationpermissionmismatch "
        "insufficientaccountpermissions permissionerror permissiondeniederror",
        ("accessdenied", "access denied", "forbidden"),
        _DENIED,
    ),
    _Rule(
        TemporaryError,
        "connectionerror timeouterror clientconnectionerror clientpayloaderror "
        "incompletereaderror incompleteread httpclienterror servicerequesterror "
        "serviceresponseerror transporterror checksumerror",
        ("connect", "timeout", "timed out", "getaddrinfo", "unavailable", "slowdown", "payload"),
        "{url} cannot be reached: {text}. Check the network, a proxy (HTTPS_PROXY), and the "
        "address in storage_url or endpoint_url. Run again later.",
    ),
)
"""The first with the error's codes counts, else the first with its words."""
_ANY_OS_ERROR = _RULES[-1]
_OTHER = _Rule(
    SettingsError, "", (), "{url} cannot be {done}: {text}. Check {setting} and {options}."
)
_CODE_IN_TEXT = re.compile(r"ErrorCode: ?(\w+)|error occurred \(([\w.]+)\)")
"""As Azure's and Amazon's libraries write it."""
_is_namelike = re.compile("[/@-]|:.").search
_PAST_END = frozenset({"416", "invalidrange"})
_LONGEST_TEXT = 300
_MOST_TEXT = 20_000
"""What is looked at of an error's text, which may quote a whole answer."""


def explain(error: Exception, url: str, use: Use) -> ConnectorError:
    """Turn an error of a store into one that says what to do.

    Args:
        error: Any error of a store.
        url: What was being reached, without secrets.
        use: What the store is used for.

    Returns:
        SettingsError where somebody must change something, TemporaryError where time may help.
    """
    rule = _rule(error, url)
    words = masked(" ".join(str(error).split())).rstrip(".")
    text = words[:_LONGEST_TEXT] or type(error).__name__
    advice = _NO_BUCKET if rule.advice is _MISSING and use.writes else rule.advice
    return rule.error(
        advice.format(
            url=url,
            text=text,
            setting=use.url,
            options=use.options,
            done=use.done,
            rights=use.rights,
        )
    )


def is_denied(error: Exception) -> bool:
    """Return whether the service knows the credentials, and they may not do what was asked."""
    return _rule(error, "").advice is _DENIED


def is_temporary(error: Exception, url: str) -> bool:
    """Return whether another attempt to reach this may succeed where this error ended one."""
    return not is_past_end(error) and _rule(error, url).error is TemporaryError


def is_past_end(error: Exception) -> bool:
    """Return whether a range was asked for that begins after an object's end."""
    return bool(_PAST_END.intersection(_codes(error)))


def _rule(error: Exception, url: str) -> _Rule:
    codes = set(_codes(error))
    for rule in _RULES:
        if codes.intersection(rule.codes.split()):
            return rule
    said = _words(str(error), url)
    for rule in _RULES:
        if any(word in said for word in rule.words):
            return rule
    return _ANY_OS_ERROR if isinstance(error, OSError) else _OTHER


def _codes(error: Exception) -> Iterator[str]:
    """Yield every code of an error, and of those that it was raised from, in lower case."""
    for kind in type(error).__mro__:
        yield kind.__name__.lower()
    cause: BaseException | None = error
    while cause is not None:
        for code in _own_codes(cause):
            if isinstance(code, (str, int)):
                yield str(code).lower()
        cause = cause.__cause__


def _own_codes(error: BaseException) -> Iterator[object]:
    for name in ("code", "status", "status_code", "error_code"):
        code = getattr(error, name, None)
        yield getattr(code, "value", code)  # some are of an enumeration
    yield from getattr(error, "codes", ())  # of ServiceError
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        yield response.get("Error", {}).get("Code")
        yield response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for found in _CODE_IN_TEXT.finditer(str(error)[:_MOST_TEXT]):
        yield found[1] or found[2]


def _words(text: str, url: str) -> str:
    """Return a text in lower case without what is, or looks like, a part of a URL."""
    names = {name for name in re.split(r"[/:]+", url.lower()) if name}
    words = (word for word in text[:_MOST_TEXT].lower().split() if not _is_namelike(word))
    return " ".join(word for word in words if word.strip("\"'.,:()") not in names)
