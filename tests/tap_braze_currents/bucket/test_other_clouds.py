"""Google by the rules of its XML API, and Azure: a fake of both, and Azurite, started here."""

from __future__ import annotations

import base64
import hmac
import itertools
import re
import shutil
import socket
import subprocess
from contextlib import closing
from datetime import datetime, timezone
from email.utils import format_datetime

import obstore
import pytest
import requests

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.stores.azure import open_azure
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.use import Use
from tap_braze_currents.bucket.open_store import CURRENTS
from tests.currents_generator import generate
from tests.fakes.fake_buckets import FakeBuckets, Refusal, serving
from tests.tap_braze_currents.conftest import make_tap, tap_of
from tests.tap_braze_currents.cutting_proxy import proxy_before

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azurite")]

TYPES = ["users.messages.email.Open", "users.behaviors.Purchase"]
TAP = tap_of(*TYPES)
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (  # the same in every Azurite, by its documentation
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_twice(run_tap, url, options):
    first = run_tap(url, tap_class=TAP, storage_options=options)
    second = run_tap(url, tap_class=TAP, storage_options=options, state=first.state)
    return len(first.of("RECORD")), len(second.of("RECORD"))


def error_of(url, options):
    with pytest.raises(ConnectorError) as caught:
        make_tap(url, tap_class=TAP, storage_options=options).sync_all()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def fake(tmp_path):
    server = FakeBuckets(page_size=2)
    generate(tmp_path, events=60, types=TYPES, hours=3)
    server.upload(tmp_path, "company", "prod")
    with serving(server):
        yield server


@pytest.fixture
def gcs(fake):
    return {"endpoint_url": fake.url, "token": "anon", "project": "test"}


@pytest.fixture
def azure_fake(fake):
    key = base64.b64encode(b"key").decode()
    return {"account_name": "acme", "account_key": key, "endpoint_url": fake.url}


def test_gcs_is_listed_and_read(gcs, run_tap):
    assert read_twice(run_tap, "gs://company/prod", gcs) == (60, 0)
    assert "too high: set it to gs://company/prod" in str(error_of("gs://company", gcs))
    assert isinstance(error_of("gs://nobodys-bucket/prod", gcs), SettingsError)


@pytest.mark.parametrize("kind", ["gcs", "azure_fake"])
def test_connections_cut_in_the_middle_of_an_object_are_tried_again(kind, fake, run_tap, request):
    fake.cuts = 3
    url = "gs://company/prod" if kind == "gcs" else "az://company/prod"

    output = run_tap(url, tap_class=TAP, storage_options=request.getfixturevalue(kind))

    assert fake.cuts == 0
    assert len(output.of("RECORD")) == 60


@pytest.mark.parametrize("kind", ["gcs", "azure_fake"])
def test_a_throttled_service_is_asked_again_and_then_is_temporary(kind, fake, run_tap, request):
    url = "gs://company/prod" if kind == "gcs" else "az://company/prod"
    options = request.getfixturevalue(kind)
    throttled = Refusal(429, "rateLimitExceeded") if kind == "gcs" else Refusal(503, "ServerBusy")
    numbers = itertools.count()
    fake.refuse = lambda _request: throttled if next(numbers) % 3 == 0 else None

    assert len(run_tap(url, tap_class=TAP, storage_options=options).of("RECORD")) == 60

    fake.refuse = lambda _request: throttled
    error = error_of(url, {**options, "retry_config": {"max_retries": 1}})
    assert isinstance(error, TemporaryError)


def test_an_azure_listing_goes_on_where_the_bookmark_ends(azure_fake, fake, run_tap):
    assert read_twice(run_tap, "abfs://company/prod", azure_fake) == (60, 0)
    assert any("startFrom" in request.query for request in fake.lists())


@pytest.fixture(scope="module")
def azure(request):
    """Options of a store on Azurite, which npm installs once into pytest's cache."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Azurite comes from npm, which is not installed")
    folder = request.config.cache.mkdir("azurite")
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "azurite"]
        if subprocess.run(install, check=False, capture_output=True, timeout=240).returncode:
            pytest.skip("npm cannot install Azurite here")
    port = free_port()
    arguments = ["--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE)
    for line in process.stdout:  # it prints when it listens
        if b"successfully listens" in line:
            break
    url = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    yield {
        "connection_string": (
            f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};"
            f"AccountKey={AZURITE_KEY};BlobEndpoint={url};"
        )
    }
    process.terminate()
    process.communicate()


@pytest.fixture(scope="module")
def azure_files(azure, tmp_path_factory):
    url = re.search("BlobEndpoint=(.*?);", azure["connection_string"])[1]
    date = format_datetime(datetime.now(timezone.utc), usegmt=True)
    resource = f"/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/company\nrestype:container"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-12-02\n{resource}"
    signed = hmac.digest(base64.b64decode(AZURITE_KEY), text.encode(), "sha256")
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2021-12-02",
        "Authorization": f"SharedKey {AZURITE_ACCOUNT}:{base64.b64encode(signed).decode()}",
    }
    made = requests.put(f"{url}/company?restype=container", headers=headers, timeout=10)
    made.raise_for_status()
    store = open_azure("company", None, azure, CURRENTS)
    folder = tmp_path_factory.mktemp("files")
    generate(folder, events=60, types=TYPES, hours=3)
    for path in sorted(folder.rglob("*.avro")):
        obstore.put(store, f"prod/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.mark.usefixtures("azure_files")
def test_azure_is_listed_and_read(azure, run_tap):
    assert read_twice(run_tap, "abfs://company/prod", azure) == (60, 0)
    assert "too high: set it to az://company/prod" in str(error_of("az://company", azure))
    assert isinstance(error_of("az://nobodys/prod", azure), SettingsError)
    wrong = {
        "connection_string": azure["connection_string"].replace("AccountKey=E", "AccountKey=F")
    }
    refused = error_of("az://company/prod", wrong)
    assert isinstance(refused, SettingsError)
    assert "credentials" in str(refused)


@pytest.mark.usefixtures("azure_files")
def test_azure_connections_cut_in_the_middle_of_an_object_are_tried_again(azure, run_tap):
    own = re.search("BlobEndpoint=(.*?/)devstore", azure["connection_string"])[1]
    with proxy_before(own) as proxy:
        proxy.cuts = 3
        through_proxy = azure["connection_string"].replace(own, f"{proxy.url}/")
        options = {"connection_string": through_proxy}
        output = run_tap("abfs://company/prod", tap_class=TAP, storage_options=options)

    assert proxy.cuts == 0
    assert len(output.of("RECORD")) == 60


@pytest.mark.usefixtures("azure_files")
def test_what_is_written_to_azure_is_read_back(azure):
    url = "abfs://company/dead_letters"
    letter = DeadLetter(url, "t", options=azure)
    letter.check()
    letter.add("s", {"n": 1}, schema={"stream": "s"}, reason="why")
    letter.close()
    folder = StoreFolder(url, azure, Use("dead_letter_path", "path_options", writes=True))
    (name,) = folder.names()
    assert folder.read(name).count(b'"RECORD"') == 1
    with pytest.raises(SettingsError, match="does not exist"):
        DeadLetter("az://nobodys/dead", "t", options=azure).check()
