import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsound.data.split_files import match_split_lists, read_split_list
from deepsound.errors import SplitError

GTZAN = [f"{genre}/{genre}.{number:05d}.au" for genre in ("blues", "jazz") for number in range(4)]


def match(track_ids, **lists):
    return match_split_lists(track_ids, lists)


@pytest.mark.parametrize(
    "line",
    [
        "blues/blues.00002.au",
        "blues/blues.00002.wav",
        "blues/blues.00002",
        "blues.00002.wav",
        "blues.00002",
        "./blues/blues.00002.wav",
        "genres_original/blues/blues.00002.mp3",
        "genres\\blues\\blues.00002.wav",
    ],
)
def test_with_or_without_folder_and_extension(line):
    assert match(GTZAN, test=[line]).splits == {"blues/blues.00002.au": "test"}


@pytest.mark.parametrize(("of_files", "of_list"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_in_either_normal_form(of_files, of_list):
    track, line = (unicodedata.normalize(form, "Música/señal.wav") for form in (of_files, of_list))
    assert match([track, "x.wav"], test=[line]).splits == {track: "test"}


@given(st.permutations(GTZAN), st.lists(st.sampled_from(["train", "validation", "test"]), min_size=8, max_size=8))
def test_every_line_finds_its_own_track(track_ids, splits):
    wanted = dict(zip(GTZAN, splits, strict=True))
    lists = {
        name: [t[:-3] + ".wav" for t in track_ids if wanted[t] == name] for name in ("train", "validation", "test")
    }
    listed = match_split_lists(track_ids, lists)
    assert listed.splits == wanted
    assert listed.describe_unknown() == []


def test_unknown_lines_are_counted_and_named():
    listed = match(GTZAN, train=GTZAN[:2], test=["blues/blues.00003.wav", *(f"pop/pop.{i}.wav" for i in range(5))])
    assert len(listed.splits) == 3
    assert listed.describe_unknown() == [
        "5 lines of the test list name no readable, labelled track: pop/pop.0.wav, pop/pop.1.wav, pop/pop.2.wav, …"
    ]


@pytest.mark.parametrize("line", ["rock/001.wav", "001x.wav", "blues", "other/blues/001.wav/x", "z.2", ""])
def test_another_folder_or_name_is_another_track(line):
    assert match(["blues/001.wav", "z.wav"], train=["z"], test=[line]).splits == {"z.wav": "train"}


def test_the_extension_tells_two_tracks_apart_and_nothing_else_does():
    track_ids = ["a/x.wav", "a/x.mp3", "b/y.wav", "c/y.wav", "live.at.home.flac"]
    assert match(track_ids, train=["x.mp3", "c/y"]).splits == {"a/x.mp3": "train", "c/y.wav": "train"}
    # Converted once more, and named after the file it was made of.
    twice = ["a/x.wav", "a/x.wav.flac"]
    assert match(twice, train=["x.wav"], test=["x.wav.flac"]).splits == dict(
        zip(twice, ("train", "test"), strict=True)
    )
    assert match(track_ids, train=["live.at.home"]).splits == {"live.at.home.flac": "train"}
    with pytest.raises(SplitError, match=r"line 'x' of a split list could be a/x.mp3 or a/x.wav"):
        match(track_ids, train=["x"])
    with pytest.raises(SplitError, match=r"line 'y.wav' of a split list could be b/y.wav or c/y.wav"):
        match(track_ids, train=["y.wav"])


def test_a_track_in_two_lists():
    with pytest.raises(SplitError, match=r"blues.00001.au is in two split lists: train and test"):
        match(GTZAN, train=GTZAN[:2], test=["blues.00001.wav"])
    assert len(match(GTZAN, train=[GTZAN[0], "blues.00000"]).splits) == 1


def test_no_line_at_all_is_a_track():
    with pytest.raises(
        SplitError, match=r"none of the 2 lines .* they say '1.wav', the tracks are called 'blues/"
    ):
        match(GTZAN, train=["1.wav"], test=["2.wav"])


def test_reading(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff# filtered\r\nblues/a b.wav \r\n\r\nj\u00e4zz.wav".encode())
    assert read_split_list(str(path)) == ["blues/a b.wav", "j\u00e4zz.wav"]
    with pytest.raises(SplitError, match=r"cannot read the split list .*none\.txt"):
        read_split_list(str(tmp_path / "none.txt"))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SplitError, match="cannot read the split list"):
        read_split_list(str(path))
