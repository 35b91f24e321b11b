import dataclasses
import json
import os
import pathlib
import re

import pytest

from deepsound.doctor import machine, sounds
from deepsound.doctor.machine import LIBRARIES, Machine, count_cores, look_at_machine, try_writing

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_the_libraries_are_those_that_setup_lists_for_executors():
    text = re.search(r"EXECUTOR = \[(.*?)\n\]", (ROOT / "setup.py").read_text(), re.DOTALL)[1]
    names = re.findall(r'^\s*"([A-Za-z0-9_.-]+)', text, re.MULTILINE)
    assert [name.lower() for name in LIBRARIES] == [name.lower() for name in names]


def test_what_is_seen_here_crosses_as_plain_values(tmp_path):
    seen = look_at_machine([str(tmp_path)])
    assert Machine(**json.loads(json.dumps(dataclasses.asdict(seen)))) == seen
    assert seen.formats == dict.fromkeys(("wav", "flac", "ogg", "mp3", "m4a"))
    assert seen.unwritable == {str(tmp_path): None}
    assert seen.free_bytes > 0
    assert all(seen.libraries.values())
    assert seen.n_cores == len(os.sched_getaffinity(0)) == count_cores()


def test_the_digest_is_of_the_source(tmp_path):
    digests = []
    for number, text in enumerate(["x = 1", "x = 2", "x = 1"]):
        package = tmp_path / str(number)
        package.mkdir()
        (package / "a.py").write_text(text)
        (package / "notes.txt").write_text(str(number))
        digests.append(machine._digest_sources(package))
    assert digests[0] == digests[2] != digests[1]


def test_a_missing_library_is_none(monkeypatch):
    monkeypatch.setattr(machine, "LIBRARIES", ("numpy", "no-such-library"))
    libraries = look_at_machine([]).libraries
    assert libraries["no-such-library"] is None
    assert libraries["numpy"]


def test_nothing_is_left_behind_and_no_folder_is_made(tmp_path):
    assert try_writing(tmp_path / "not" / "there") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_cannot_be_written_into(tmp_path):
    (tmp_path / "file").write_text("")
    assert try_writing(tmp_path / "file") == "Not a directory"
    assert try_writing(tmp_path / "file" / "below") == f"{tmp_path / 'file'}: Not a directory"


def test_what_cannot_be_decoded_says_why(monkeypatch):
    monkeypatch.setattr(sounds, "make_sound", lambda _: b"not music at all")
    assert "not a sound file" in sounds.try_decoding("wav")


def test_half_of_a_sound_is_no_sound(monkeypatch):
    whole = sounds.make_sound("wav")
    monkeypatch.setattr(sounds, "make_sound", lambda _: whole[: len(whole) // 2])
    assert re.fullmatch(r"0\.\d+ s came out of 1\.2 s", sounds.try_decoding("wav"))


def test_a_missing_encoder_is_told_from_a_missing_decoder(monkeypatch):
    def fail(_):
        raise RuntimeError("no MP3 here")

    monkeypatch.setattr(sounds, "make_sound", fail)
    assert sounds.try_decoding("mp3") == "no sound could be made to try it with (RuntimeError: no MP3 here)"


@pytest.mark.parametrize("container", sounds.FORMATS)
def test_every_format_is_what_it_is_called(container):
    magic = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS", "m4a": b"ftyp"}
    content = sounds.make_sound(container)
    if container == "mp3":
        assert content[0] == 0xFF or content.startswith(b"ID3")
    else:
        assert magic[container] in content[:12]
