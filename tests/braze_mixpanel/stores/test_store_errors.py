"""What a failure of the storage means is judged by its codes before its words."""

from __future__ import annotations

import pytest
from obstore.exceptions import (
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.stores.service_answers import as_service_error
from braze_mixpanel.stores.store_errors import explain, is_past_end, is_temporary
from tap_braze_currents.bucket.open_store import CURRENTS

URL = "s3://company/currents"


def answered(status, code="", message="Something.", kind=GenericError, store="S3"):
    """Make an error as obstore writes it."""
    body = (
        f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>{message}\nRequestId:1"
        "</Message><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId>"
        "<StringToSign>SECRET</StringToSign></Error>"
        if code
        else ""
    )
    text = (
        f"Generic {store} error: Error performing GET http://127.0.0.1/b/a?X-Amz-Signature=SECRET "
        f"in 5.1ms, after 1 retries, max_retries: 1, retry_timeout: 3s  - Server returned non-2xx "
        f"status code: {status} Reason: {body}\n\nDebug source:\nGeneric {{ {body!r} }}"
    )
    return as_service_error(kind(text), "company/currents/x.avro")


def no_answer(text, dump=""):
    return as_service_error(GenericError(f"{text}\n\nDebug source:\n{dump}"), "company/x.avro")


CONNECT = (
    "Error performing GET http://h/b?sig=SECRET in 103.2ms - HTTP error: error sending request"
)
TEMPORARY = [
    answered(503, "SlowDown", "Please reduce your request rate."),
    answered(500, "InternalError"),
    answered(400, "RequestTimeout"),
    answered(400, "Throttling"),
    answered(503, "Unheard"),
    *(answered(status) for status in (408, 429, 500, 502, 503, 504)),
    answered(429, "rateLimitExceeded", "too many requests with these credentials"),
    *(answered(500, code) for code in ("ServerBusy", "InternalError", "OperationTimedOut")),
    no_answer(CONNECT, 'kind: Connect, message: "Connection refused"'),
    no_answer(CONNECT, "kind: Connect, ConnectError('dns error', error: \"failed to lookup\")"),
    no_answer("Error performing GET http://h/b in 9s - HTTP error: request timed out", ""),
    no_answer("Generic S3 error: HTTP error: request or response body error", "IncompleteMessage"),
    TimeoutError(),
    ConnectionError("reset"),
    OSError("SlowDown on bucket acme-signature"),
    OSError("SlowDown in forbidden/credentials of company"),
]


@pytest.mark.parametrize("error", TEMPORARY, ids=repr)
def test_what_passes_by_itself_is_temporary(error):
    assert is_temporary(error, URL)
    assert isinstance(explain(error, URL, CURRENTS), TemporaryError)
    assert str(explain(error, URL, CURRENTS)).startswith(f"{URL} cannot be reached: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (answered(400, "ExpiredToken"), "the credentials have expired"),
        (answered(403, "RequestTimeTooSkewed"), "the clock of this machine is wrong"),
        (answered(403, "InvalidAccessKeyId"), "with these credentials"),
        (answered(403, "SignatureDoesNotMatch"), "with these credentials"),
        (answered(403, "AccessDenied", "Timeout of the policy"), "may not be read"),
        (answered(403), "may not be read"),
        (answered(403, kind=PermissionDeniedError), "may not be read"),
        (answered(400, "KMS.DisabledException"), "cannot be decrypted"),
        (answered(403, "InvalidObjectState"), "lies in an archive"),
        (answered(409, "BlobArchived", store="MicrosoftAzure"), "lies in an archive"),
        (answered(404, "NoSuchBucket"), "does not exist"),
        (answered(404, "NoSuchBucket", kind=FileNotFoundError), "does not exist"),
        (answered(400, "AuthorizationHeaderMalformed"), "another region"),
        (answered(301, "PermanentRedirect"), "another region"),
        (
            no_answer(
                "Error performing GET http://h in 3ms - Received redirect without LOCATION, this "
                "normally indicates an incorrectly configured region"
            ),
            "another region",
        ),
        (answered(401, kind=UnauthenticatedError), "with these credentials"),
        (answered(403, "AccessDenied", store="GCS"), "may not be read"),
        (answered(400, "UserProjectMissing", store="GCS"), "requester_pays"),
        (answered(403, "AuthorizationPermissionMismatch"), "may not be read"),
        (answered(403, "AuthenticationFailed"), "with these credentials"),
        (answered(404, "ContainerNotFound"), "does not exist"),
        (
            no_answer(
                "Error performing PUT http://169.254.169.254/latest/api/token in 1ms - HTTP error: "
                "error sending request",
                "kind: Connect",
            ),
            "no credentials were found",
        ),
        (no_answer(CONNECT, "kind: Connect, InvalidCertificate(UnknownIssuer)"), "SSL_CERT_FILE"),
        (
            as_service_error(
                InvalidPathError('Path "prod/a//x" contained empty path segment'), "company/prod"
            ),
            "prod/a holds a key",
        ),
        (PermissionError("no"), "may not be read"),
        (TypeError("got an unexpected keyword argument"), "cannot be opened"),
        (ValueError("odd"), "cannot be read: odd"),
    ],
    ids=repr,
)
def test_what_somebody_must_change_says_what(error, words):
    assert not is_temporary(error, URL)
    assert isinstance(explain(error, URL, CURRENTS), SettingsError)
    assert words in str(explain(error, URL, CURRENTS))


@pytest.mark.parametrize("url", ["s3://credentials/timeout", "credentials/timeout/x.avro"])
def test_words_in_the_name_of_the_bucket_say_nothing(url):
    error = ValueError("It did not work in credentials, timeout: credentials/timeout/x.avro.")

    assert "Check storage_url" in str(explain(error, url, CURRENTS))


@pytest.mark.parametrize("error", [answered(416, "InvalidRange"), answered(416)])
def test_a_range_beyond_the_end_is_known_and_not_tried_again(error):
    assert is_past_end(error)
    assert not is_temporary(error, URL)


@pytest.mark.parametrize("error", [answered(403, "SignatureDoesNotMatch"), answered(500, "X")])
def test_no_secret_of_an_answer_or_a_url_is_shown(error):
    assert "SECRET" not in str(explain(error, URL, CURRENTS))
    assert "\n" not in str(explain(error, URL, CURRENTS))


def test_a_missing_object_is_a_missing_file():
    assert isinstance(answered(404, "NoSuchKey", kind=FileNotFoundError), FileNotFoundError)
