"""GCS and Azure as emulators on loopback, started here."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from contextlib import closing
from http.server import ThreadingHTTPServer

import adlfs
import pytest
import requests
from gcp_storage_emulator.server import create_server

from braze_mixpanel.errors import ConnectorError, SettingsError
from tests.currents_generator import generate
from tests.tap_braze_currents.conftest import make_tap, tap_of
from tests.tap_braze_currents.cutting_proxy import proxy_before

pytestmark = pytest.mark.slow

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


def upload(pipe_file, folder, target):
    generate(folder, events=60, types=TYPES, hours=3)
    for path in sorted(folder.rglob("*.avro")):
        pipe_file(f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def read_twice(run_tap, url, options):
    first = run_tap(url, tap_class=TAP, storage_options=options)
    second = run_tap(url, tap_class=TAP, storage_options=options, state=first.state)
    return len(first.of("RECORD")), len(second.of("RECORD"))


def error_of(url, options):
    with pytest.raises(ConnectorError) as caught:
        make_tap(url, tap_class=TAP, storage_options=options).sync_all()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def gcs():
    """Options of a file system on an emulated GCS with the bucket `company`."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="company")
    with pytest.MonkeyPatch.context() as patch:
        # It serves one connection at a time, and the file system keeps several open.
        patch.setattr("http.server.HTTPServer", ThreadingHTTPServer)
        server.start()
    yield {"endpoint_url": f"http://127.0.0.1:{port}", "token": "anon", "project": "test"}
    server.stop()


@pytest.fixture(scope="module")
def gcs_files(gcs, tmp_path_factory):
    def pipe_file(path, content):
        name = path.removeprefix("company/")
        url = f"{gcs['endpoint_url']}/upload/storage/v1/b/company/o"
        parameters = {"uploadType": "media", "name": name}
        requests.post(url, params=parameters, data=content, timeout=10).raise_for_status()

    upload(pipe_file, tmp_path_factory.mktemp("files"), "company/prod")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("gcs_files")
def test_gcs_is_listed_and_read(gcs, run_tap):
    assert read_twice(run_tap, "gs://company/prod", gcs) == (60, 0)
    assert "too high: set it to gs://company/prod" in str(error_of("gs://company", gcs))
    assert isinstance(error_of("gs://nobodys-bucket/prod", gcs), SettingsError)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("gcs_files")
def test_gcs_connections_cut_in_the_middle_of_an_object_are_tried_again(gcs, run_tap):
    with proxy_before(gcs["endpoint_url"]) as proxy:
        proxy.cuts = 3
        options = {**gcs, "endpoint_url": proxy.url}
        output = run_tap("gs://company/prod", tap_class=TAP, storage_options=options)

    assert proxy.cuts == 0
    assert len(output.of("RECORD")) == 60


@pytest.fixture(scope="module")
def azure(request):
    """Options of a file system on Azurite, which npm installs once into pytest's cache."""
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
    fs = adlfs.AzureBlobFileSystem(**azure, skip_instance_cache=True)
    fs.mkdir("company")
    upload(fs.pipe_file, tmp_path_factory.mktemp("files"), "company/prod")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
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


@pytest.mark.filterwarnings("ignore::ResourceWarning")
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
