"""What a failure of the storage means is judged by its codes before its words."""

from __future__ import annotations

import aiohttp
import botocore.exceptions as boto
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from gcsfs.retry import HttpError
from s3fs.errors import translate_boto_error

from braze_mixpanel.errors import SettingsError, TemporaryError
from tap_braze_currents.bucket.store_errors import explain, is_past_end, is_temporary

URL = "s3://company/currents"


def amazon(code, status, message="Something."):
    error = {"Code": code, "Message": message}
    response = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(boto.ClientError(response, "GetObject"))


def google(code, message=""):
    return HttpError({"code": code, "message": message})


def azure(code):
    return HttpResponseError(f"It did not work.\nRequestId:1234\nErrorCode:{code}")


def with_status(status):
    error = HttpResponseError("It did not work.")
    error.status_code = status
    return error


TEMPORARY = [
    amazon("SlowDown", 503, "Please reduce your request rate."),
    amazon("InternalError", 500),
    amazon("RequestTimeout", 400),
    amazon("Throttling", 400),
    amazon("502", 502),
    amazon("Unheard", 503),
    *map(google, (408, 429, 500, 502, 503, 504)),
    google("503"),
    google(429, "rateLimitExceeded: too many requests with these credentials"),
    *map(azure, ("ServerBusy", "InternalError", "OperationTimedOut")),
    with_status(503),
    ServiceRequestError("no route"),
    ServiceResponseError("bytes expected, was 3"),
    boto.ResponseStreamingError(error="x"),
    boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    boto.HTTPClientError(error="broken"),
    boto.ConnectTimeoutError(endpoint_url="https://credentials-export.s3.amazonaws.com/"),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("x"),
    TimeoutError(),
    OSError("SlowDown on bucket acme-signature"),
    OSError("SlowDown in forbidden/credentials of company"),
]


@pytest.mark.parametrize("error", TEMPORARY, ids=repr)
def test_what_passes_by_itself_is_temporary(error):
    assert is_temporary(error, URL)
    assert isinstance(explain(error, URL), TemporaryError)
    assert str(explain(error, URL)).startswith(f"{URL} cannot be reached: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (amazon("ExpiredToken", 400), "the credentials have expired"),
        (amazon("RequestTimeTooSkewed", 403), "the clock of this machine is wrong"),
        (amazon("InvalidAccessKeyId", 403), "with these credentials"),
        (amazon("SignatureDoesNotMatch", 403), "with these credentials"),
        (amazon("AccessDenied", 403, "Timeout of the policy"), "may not be read"),
        (amazon("403", 403, "Forbidden"), "may not be read"),
        (amazon("KMS.DisabledException", 400), "cannot be decrypted"),
        (amazon("InvalidObjectState", 403), "lies in an archive"),
        (amazon("NoSuchBucket", 404), "does not exist"),
        (amazon("AuthorizationHeaderMalformed", 400), "another region"),
        (amazon("PermanentRedirect", 301), "another region"),
        (google(401, "Invalid Credentials"), "with these credentials"),
        (google(403, "x does not have storage.objects.get access"), "may not be read"),
        (OSError("Forbidden: https://storage.googleapis.com/b/x\nno access"), "may not be read"),
        (azure("AuthorizationPermissionMismatch"), "may not be read"),
        (azure("AuthenticationFailed"), "with these credentials"),
        (azure("ContainerNotFound"), "does not exist"),
        (ClientAuthenticationError("no"), "with these credentials"),
        (boto.NoCredentialsError(), "with these credentials"),
        (
            boto.CredentialRetrievalError(provider="iam-role", error_msg="timeout"),
            "with these credentials",
        ),
        (PermissionError("no"), "may not be read"),
        (TypeError("got an unexpected keyword argument"), "cannot be opened"),
        (ValueError("odd"), "cannot be read: odd"),
    ],
    ids=repr,
)
def test_what_somebody_must_change_says_what(error, words):
    assert not is_temporary(error, URL)
    assert isinstance(explain(error, URL), SettingsError)
    assert words in str(explain(error, URL))


@pytest.mark.parametrize("url", ["s3://credentials/timeout", "credentials/timeout/x.avro"])
def test_words_in_the_name_of_the_bucket_say_nothing(url):
    error = ValueError("It did not work in credentials, timeout: credentials/timeout/x.avro.")

    assert "Check storage_url" in str(explain(error, url))


@pytest.mark.parametrize("error", [amazon("InvalidRange", 416), google(416), with_status(416)])
def test_a_range_beyond_the_end_is_known_and_not_tried_again(error):
    assert is_past_end(error)
    assert not is_temporary(error, URL)
