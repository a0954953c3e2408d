"""Options, credentials and connections of the three clouds, against a server."""

from __future__ import annotations

import base64
import json
import ssl

import pytest
import trustme

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from braze_mixpanel.stores import s3
from braze_mixpanel.stores.azure import read_connection_string
from braze_mixpanel.stores.folder import StoreFolder
from tap_braze_currents.bucket.open_store import CURRENTS
from tap_braze_currents.bucket.store import Bucket
from tests.currents_generator import generate
from tests.fakes.fake_buckets import FakeBuckets, Refusal, serving

OPEN = "users.messages.email.Open"
KEYS = {"key": "AKIAEXAMPLE", "secret": "topsecret"}
AZURE_KEY = base64.b64encode(b"topsecret").decode()
VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "GOOGLE_APPLICATION_CREDENTIALS",
)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path_factory):
    """Nothing of this machine's own is found."""
    home = tmp_path_factory.mktemp("home")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home


@pytest.fixture
def server(tmp_path):
    fake = FakeBuckets()
    generate(tmp_path / "files", events=2, types=[OPEN])
    fake.upload(tmp_path / "files", "company", "prod")
    with serving(fake):
        yield fake


def types_in(url, server, **options):
    """List the bucket; the event types found show that it worked."""
    bucket = Bucket(url, {"endpoint_url": server.url, **options})
    (types,) = bucket.folders().integrations.values()
    return types


def error_of(url, **options):
    with pytest.raises(ConnectorError) as caught:
        Bucket(url, options).folders()
    text = str(caught.value)
    assert "\n" not in text
    assert "topsecret" not in text
    return caught.value


def authorization(server):
    return server.requests[-1].headers.get("authorization", "")


@pytest.mark.parametrize(
    "options",
    [
        KEYS,
        {"username": "AKIAEXAMPLE", "password": "topsecret"},
        {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "topsecret"},
        {
            "client_kwargs": {
                "aws_access_key_id": "AKIAEXAMPLE",
                "aws_secret_access_key": "topsecret",
            }
        },
    ],
)
def test_keys_are_taken_under_all_their_names(server, options):
    assert types_in("s3://company/prod", server, **options) == {OPEN}
    assert "Credential=AKIAEXAMPLE/" in authorization(server)
    assert "/us-east-1/s3/" in authorization(server)


@pytest.mark.parametrize(
    "options", [{"region_name": "eu-west-1"}, {"client_kwargs": {"region_name": "eu-west-1"}}]
)
def test_the_region_is_part_of_the_signature(server, options):
    types_in("s3://company/prod", server, **KEYS, **options)

    assert "/eu-west-1/s3/" in authorization(server)


def test_a_session_token_is_sent(server):
    types_in("s3://company/prod", server, **KEYS, token="session")

    assert server.requests[-1].headers["x-amz-security-token"] == "session"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("s3://company/prod", {"anon": True}),
        ("gs://company/prod", {"token": "anon"}),
        ("az://company/prod", {"account_name": "acme", "anon": True}),
    ],
)
def test_a_public_bucket_is_asked_without_a_signature(server, url, options):
    assert types_in(url, server, **options) == {OPEN}
    assert authorization(server) == ""


def test_keys_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")

    assert types_in("s3://company/prod", server) == {OPEN}
    assert "Credential=AKIAENV/" in authorization(server)


@pytest.mark.parametrize("profile", ["default", "work"])
def test_static_keys_of_a_profile_need_no_package(server, no_credentials, profile):
    folder = no_credentials / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        f"[{profile}]\naws_access_key_id = AKIAFILE\naws_secret_access_key = topsecret\n"
    )
    section = profile if profile == "default" else f"profile {profile}"
    (folder / "config").write_text(f"[{section}]\nregion = eu-central-1\n")
    options = {} if profile == "default" else {"profile": profile}

    assert types_in("s3://company/prod", server, **options) == {OPEN}
    assert "Credential=AKIAFILE/" in authorization(server)
    assert "/eu-central-1/s3/" in authorization(server)


def process_profile(home):
    keys = {
        "Version": 1,
        "AccessKeyId": "AKIAPROCESS",
        "SecretAccessKey": "topsecret",
        "SessionToken": "session",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    (home / "keys.json").write_text(json.dumps(keys))
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(
        f"[profile work]\ncredential_process = cat {home}/keys.json\n"
    )


def test_a_profile_with_a_process_is_read_by_boto3(server, no_credentials):
    process_profile(no_credentials)

    assert types_in("s3://company/prod", server, profile="work") == {OPEN}
    assert "Credential=AKIAPROCESS/" in authorization(server)


def test_a_profile_that_needs_boto3_says_so_where_it_is_missing(no_credentials, monkeypatch):
    process_profile(no_credentials)
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)

    assert "braze-mixpanel[aws-profiles]" in str(error_of("s3://company/prod", profile="work"))


def test_what_is_missing_or_wrong_is_one_line():
    assert "no AWS profile nobody" in str(error_of("s3://company/prod", profile="nobody"))
    assert "no credentials for S3" in str(error_of("s3://company/prod"))
    assert "both key and secret" in str(error_of("s3://company/prod", key="AKIA"))
    error = error_of("s3://company/prod", key="AKIA", secret="top\nsecret")
    assert "copied completely" in str(error)
    assert "begin with https" in str(error_of("s3://b/p", **KEYS, endpoint_url="minio:9000"))

    assert "names no bucket" in str(error_of("s3:///prod", **KEYS))
    assert "is not known" in str(error_of("ftp://company/prod"))
    assert "account" in str(error_of("az://company/prod", account_key=AZURE_KEY))
    assert "AccountName" in str(error_of("az://c/p", connection_string="AccountKey=topsecret"))
    assert "not a JSON object" in str(error_of("gs://c/p", token="{topsecret"))
    assert "cannot be read" in str(error_of("gs://c/p", token="/nowhere/key.json"))
    assert "private_key" in str(error_of("gs://c/p", token={"client_email": "a@b"}))
    assert "not supported" in str(error_of("gs://c/p", token="browser"))


def test_a_host_that_ends_in_a_number_and_is_no_address_is_one_line():
    virtual = {"virtual_hosted_style_request": "true"}
    for more in ({"endpoint_url": "https://1.2.3.999"}, {"endpoint_url": "http://127.1:1"}):
        assert "is not a URL: check its host" in str(error_of("s3://bucket/p", **KEYS, **more))
    refused = error_of("s3://bucket/p", **KEYS, **virtual, endpoint_url="http://127.0.0.1:1")
    assert "is not a URL: check its host" in str(refused)


@pytest.mark.parametrize(
    ("url", "options", "hint"),
    [
        ("s3://company/prod", {"endpoint_ur": "x"}, "did you mean endpoint_url?"),
        ("s3://company/prod", {"client_kwargs": {"region": "x"}}, "did you mean region_name?"),
        ("gs://company/prod", {"tokn": "x"}, "did you mean token?"),
        ("az://company/prod", {"acount_name": "x"}, "did you mean account_name?"),
        ("s3://company/prod", {"client_options": {"proxy": "x"}}, "proxy_url"),
    ],
)
def test_an_unknown_option_names_the_nearest(url, options, hint):
    assert hint in str(
        error_of(url, **KEYS, **options) if url[:2] == "s3" else error_of(url, **options)
    )


def test_options_that_only_set_up_caches_are_still_allowed(server):
    old = {"use_listings_cache": False, "default_block_size": 1, "version_aware": False}

    assert types_in("s3://company/prod", server, **KEYS, **old) == {OPEN}


def test_the_requester_pays_where_it_is_set(server):
    def refuse(request):
        paid = {"x-amz-request-payer", "x-goog-user-project"} & request.headers.keys()
        return None if paid else Refusal(400, "UserProjectMissing", "Bucket is requester pays.")

    server.refuse = refuse

    assert types_in("s3://company/prod", server, **KEYS, requester_pays=True) == {OPEN}
    google = {"token": "anon", "requester_pays": True, "project": "acme"}
    assert types_in("gs://company/prod", server, **google) == {OPEN}
    assert server.requests[-1].headers["x-goog-user-project"] == "acme"
    refused = error_of("gs://company/prod", token="anon", endpoint_url=server.url)
    assert "Set requester_pays" in str(refused)


def test_buckets_are_addressed_by_path_or_by_host(server):
    types_in("s3://company/prod", server, **KEYS)
    assert server.requests[-1].bucket == "company"

    options = {**KEYS, "config_kwargs": {"s3": {"addressing_style": "virtual"}}}
    bucket = Bucket(
        "s3://company/prod",
        {**options, "endpoint_url": "http://s3.test:9000"},
    )
    assert bucket.store._store.config["endpoint"] == "http://company.s3.test:9000"


@pytest.mark.parametrize("way", ["config_kwargs", "client_options", "environment"])
def test_a_proxy_is_used(server, way, monkeypatch):
    # The fake answers requests for any host, so it can stand for a proxy.
    options = {**KEYS, "endpoint_url": "http://s3.example.test"}
    if way == "config_kwargs":
        options["config_kwargs"] = {"proxies": {"http": server.url}}
    elif way == "client_options":
        options["client_options"] = {"proxy_url": server.url}
    else:
        monkeypatch.setenv("HTTP_PROXY", server.url)

    assert Bucket("s3://company/prod", options).folders().integrations
    assert server.requests[-1].headers["host"] == "s3.example.test"


def test_own_certificates_are_trusted_and_others_are_not(tmp_path, monkeypatch):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    fake = FakeBuckets()
    generate(tmp_path / "files", events=2, types=[OPEN])
    fake.upload(tmp_path / "files", "company", "prod")
    with serving(fake, context):
        options = {**KEYS, "endpoint_url": fake.url, "retry_config": {"max_retries": 0}}
        refused = error_of("s3://company/prod", **options)
        assert isinstance(refused, SettingsError)
        assert "SSL_CERT_FILE" in str(refused)
        for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(bundle))
                assert types_in("s3://company/prod", fake, **KEYS) == {OPEN}
        verify = {"client_kwargs": {"verify": str(bundle)}}
        assert types_in("s3://company/prod", fake, **KEYS, **verify) == {OPEN}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"account_name": "acme", "account_key": AZURE_KEY}, "SharedKey acme:"),
        ({"account_name": "acme", "token": "bearer"}, "Bearer bearer"),
        ({"connection_string": f"AccountName=acme;AccountKey={AZURE_KEY}"}, "SharedKey acme:"),
    ],
)
def test_azure_signs_with_what_is_given(server, options, expected):
    assert types_in("az://company/prod", server, **options) == {OPEN}
    assert authorization(server).startswith(expected)


def test_an_azure_signature_goes_into_the_query_and_into_no_message(server):
    options = {"account_name": "acme", "sas_token": "?sv=2024-01-01&sig=topsecret"}
    assert types_in("abfs://company/prod", server, **options) == {OPEN}
    assert server.requests[-1].query["sig"] == "topsecret"

    server.refuse = lambda request: Refusal(403, "AuthenticationFailed", "No.")
    refused = error_of("az://company/prod", endpoint_url=server.url, **options)
    assert "with these credentials" in str(refused)


def test_a_connection_string_is_read_as_the_portal_shows_it():
    text = (
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5;"
        "EndpointSuffix=core.windows.net"
    )
    assert read_connection_string(text, CURRENTS) == {
        "account_name": "acme",
        "account_key": "a2V5",
        "endpoint": "https://acme.blob.core.windows.net",
    }


def test_a_google_token_is_sent_as_it_is(server):
    assert types_in("gs://company/prod", server, token="ya29.token") == {OPEN}
    assert authorization(server) == "Bearer ya29.token"


def test_an_archived_object_is_named(server):
    server.refuse = lambda request: (
        None if request.is_list else Refusal(403, "InvalidObjectState", "Restore it first.")
    )
    bucket = Bucket("s3://company/prod", {**KEYS, "endpoint_url": server.url})
    with pytest.raises(Exception, match="Restore it first") as caught:
        bucket.store.read(f"company/{next(iter(server.buckets['company']))}")

    assert "InvalidObjectState" in caught.value.codes


def test_a_throttled_service_is_asked_again_and_then_is_temporary(server):
    left = [3]

    def refuse(_request):
        left[0] -= 1
        return Refusal(503, "SlowDown") if left[0] >= 0 else None

    server.refuse = refuse
    assert types_in("s3://company/prod", server, **KEYS) == {OPEN}

    server.refuse = lambda request: Refusal(503, "SlowDown", "Please reduce your request rate.")
    options = {**KEYS, "endpoint_url": server.url, "retry_config": {"max_retries": 1}}
    error = error_of("s3://company/prod", **options)
    assert isinstance(error, TemporaryError)
    assert "reduce your request rate" in str(error)


def test_the_region_of_a_bucket_is_found(server):
    server.answer = lambda request: (403, {"x-amz-bucket-region": "eu-west-3"}, b"")

    assert s3.find_region("company", server.url) == "eu-west-3"


@pytest.mark.parametrize(
    "name", ["a+b", "a%b", "a%2Bb", "a#b", "a?b", "a&b=c", "a[b]", "a*b", "a:b", 'a"b', "a b", "ä"]
)
@pytest.mark.parametrize("url", ["s3://company/odd", "gs://company/odd", "az://company/odd"])
def test_keys_with_odd_characters_are_listed_and_read(server, url, name):
    options = {
        "s3": KEYS,
        "gs": {"token": "anon"},
        "az": {"account_name": "acme", "account_key": AZURE_KEY},
    }[url[:2]]
    server.put("company", f"odd/{name}/{name}.avro", b"content")
    bucket = Bucket(url, {"endpoint_url": server.url, **options})

    (file,) = bucket.files_below(name)
    assert file.path == f"company/odd/{name}/{name}.avro"
    assert bytes(bucket.store.read(file.path)) == b"content"


def test_folder_markers_are_left_out(server):
    server.put("company", "prod/", b"")
    server.put("company", "prod/marked/", b"")
    bucket = Bucket("s3://company/prod", {**KEYS, "endpoint_url": server.url})

    assert bucket.folders().files == []
    assert bucket.files_below("marked") == []


@pytest.mark.parametrize("key", ["prod/bad//x.avro", "prod/bad/./x.avro", "prod/bad/../x.avro"])
def test_a_key_that_no_path_can_be_made_of_is_named_by_its_folder(server, key):
    server.put("company", key, b"")
    bucket = Bucket("s3://company/prod", {**KEYS, "endpoint_url": server.url})

    with pytest.raises(SettingsError, match="prod/bad holds a key"):
        bucket.files_below("bad")


@pytest.mark.parametrize(
    "address",
    [
        "h:99999",
        "h:abc",
        "127.0.0.2:1\\@127.0.0.1",
        "[::1",
        "[::1%eth0]:1",
        "[zz]",
        "%zz",
        "a%41",
        "1.2.3.4.5",
    ],
)
def test_an_endpoint_that_is_no_url_is_one_line(address):
    endpoint = f"https://{address}"
    blob = f"AccountName=a;AccountKey={AZURE_KEY};BlobEndpoint={endpoint}"
    assert "is not a URL" in str(error_of("s3://b/p", **KEYS, endpoint_url=endpoint))
    assert "is not a URL" in str(error_of("gs://b/p", token="anon", endpoint_url=endpoint))
    assert "is not a URL" in str(error_of("az://b/p", connection_string=blob))


@pytest.mark.parametrize("region", ["a:99999", "a%zz", "[::1", "a\\b"])
def test_a_region_that_makes_an_impossible_host_is_one_line(region):
    with pytest.raises(SettingsError, match="no host or port can be made of it"):
        Bucket("s3://b/p", {**KEYS, "region_name": region}).folders()
    with pytest.raises(SettingsError, match="no host or port can be made of it"):
        StoreFolder("s3://b/p", {**KEYS, "region_name": region}, CURRENTS).write(
            "x", b"", "text/plain"
        )
