"""Music of an S3 store, read by executors with credentials of their own (`make soak` installs the store)."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from tests.sounds import write_long

pytestmark = pytest.mark.soak

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


def find_free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The address of moto's S3 server, and how to reach it from the environment."""
    port = find_free_port()
    log = tmp_path_factory.mktemp("store") / "log"
    with log.open("w") as stream:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ | KEYS)
    try:
        for _ in range(300):
            assert server.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    finally:
        server.terminate()
        server.wait(30)


def test_a_manifest_of_s3_uris_gives_the_rows_of_the_same_files_in_a_folder(store, tmp_path):
    import s3fs

    music = tmp_path / "rock"
    music.mkdir()
    for seed, name in enumerate(("a b.wav", "ü%20.wav")):
        write_long(music / name, container="WAV", subtype="PCM_16", sample_rate_hz=22050, seconds=12, seed=seed)
    remote = s3fs.S3FileSystem(endpoint_url=store["AWS_ENDPOINT_URL"], key="testing", secret="testing")
    remote.mkdir("music")
    uris = []
    for path in sorted(music.iterdir()):
        remote.put(str(path), f"music/{path.name}")
        uris.append(f"s3://music/{path.name}")
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(["uri,genre", *(f"{uri},rock" for uri in uris), "s3://music/gone.wav,rock"]))
    for source, output, labels in (
        (manifest, "from_store", "source"),
        (tmp_path / "rock", "from_folder", "parent_dir"),
    ):
        command = ["deepsound", "extract", "--input", str(source), "--output", str(tmp_path / output)]
        settings = ["--set", f"labels.from={labels}", "--set", "max_failure_fraction=0.5"]
        path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [*command, *settings],
            env=os.environ | store | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    tracks = [pq.read_table(tmp_path / output / "tracks").to_pylist() for output in ("from_store", "from_folder")]
    by_hash = [{row["content_sha256"]: row for row in rows if row["status"] == "ok"} for rows in tracks]
    assert len(by_hash[0]) == 2
    assert by_hash[0].keys() == by_hash[1].keys()
    (gone,) = [row for row in tracks[0] if row["status"] == "failed"]
    assert (gone["track_id"], gone["error_code"]) == ("s3://music/gone.wav", "unreadable")
    values = [
        sorted(pq.read_table(tmp_path / output / "segments").column("mfcc").to_pylist())
        for output in ("from_store", "from_folder")
    ]
    assert values[0] == values[1]
    assert len(values[0]) == 2
