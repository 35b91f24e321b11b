"""Tags of every format, written by mutagen and by hand; and of files made to hurt their reader."""

import functools
import io
import pathlib
import struct
import tempfile
import tracemalloc
import zlib

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2
from mutagen.asf import ASF
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TALB, TCON, TIT2, TPE1, TPE2
from mutagen.mp4 import MP4, MP4Cover
from mutagen.ogg import OggPage
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from deepsound.data import tags as tags_module
from deepsound.data.tags import TrackTags, read_tags
from tests.sounds import BrokenFile, encode, write_pcm

ROCK = TrackTags(genre="Rock", artist="Ünï & Cödé", title="A ♫ title")
SOUNDS = {
    "mp3": lambda: write_pcm("MP3", "MPEG_LAYER_III", 44100, 2, seconds=0.3),
    "aac": lambda: encode("adts", "aac", seconds=0.3),
    "wav": lambda: write_pcm("WAV", "PCM_16", 8000, 1, seconds=0.1),
    "aiff": lambda: write_pcm("AIFF", "PCM_16", 8000, 1, seconds=0.1),
    "flac": lambda: write_pcm("FLAC", "PCM_16", 8000, 1, seconds=0.1),
    "ogg": lambda: write_pcm("OGG", "VORBIS", 44100, 1, seconds=0.3),
    "opus": lambda: write_pcm("OGG", "OPUS", 48000, 1, seconds=0.3),
    "oga": lambda: encode("ogg", "flac", layout="mono", seconds=0.3),
    "m4a": lambda: encode("mp4", "aac", seconds=0.3),
    "wma": lambda: encode("asf", "wmav2", seconds=0.3),
}
KINDS = {"flac": FLAC, "ogg": OggVorbis, "opus": OggOpus, "oga": OggFLAC, "m4a": MP4, "wma": ASF}
MP4_KEYS = {"genre": "\xa9gen", "artist": "\xa9ART", "album_artist": "aART", "title": "\xa9nam"}
ASF_KEYS = {"genre": "WM/Genre", "artist": "Author", "album_artist": "WM/AlbumArtist", "title": "Title"}
PLAIN_KEYS = {"genre": "genre", "artist": "artist", "album_artist": "albumartist", "title": "title"}
KEYS = {"m4a": MP4_KEYS, "wma": ASF_KEYS}


@functools.cache
def sound(name):
    return SOUNDS[name]()


def read(content):
    return read_tags(io.BytesIO(content))


def id3_frames(fields, *, encoding=3):
    kinds = {"genre": TCON, "artist": TPE1, "album_artist": TPE2, "title": TIT2}
    return [kinds[name](encoding=encoding, text=text) for name, text in fields.items()]


def id3(frames, *, version=4):
    tag, file = ID3(), io.BytesIO()
    for frame in frames:
        tag.add(frame)
    if version == 3:
        tag.update_to_v23()
    tag.save(file, v2_version=version, v23_sep=None)
    return file.getvalue()


def tagged(name, **fields):
    """A sound with tags as its format has them."""
    file = io.BytesIO(sound(name))
    if name in ("mp3", "aac"):
        return id3(id3_frames(fields)) + sound(name)
    if name in ("wav", "aiff"):
        audio = (WAVE if name == "wav" else AIFF)(file)
        audio.add_tags()
        for frame in id3_frames(fields):
            audio.tags.add(frame)
    else:
        audio = KINDS[name](file)
        for field, value in fields.items():
            audio[KEYS.get(name, PLAIN_KEYS)[field]] = value
    file.seek(0)
    audio.save(file)
    return file.getvalue()


@pytest.mark.parametrize("name", SOUNDS)
def test_every_format(name):
    content = tagged(name, genre=["Rock"], artist=["Ünï & Cödé"], title=["A ♫ title"])
    assert read(content) == ROCK
    several = tagged(name, genre=["Rock", "Pop", "Rock"], album_artist=["Various"], title=[" \t"])
    assert read(several) == TrackTags(genre="Rock; Pop", artist="Various")
    both = tagged(name, artist=["Me", "You"], album_artist=["Various"])
    assert read(both) == TrackTags(artist="Me; You")
    assert read(sound(name)) == TrackTags()


def test_the_place_in_the_file_stays():
    file = io.BytesIO(tagged("mp3", genre=["Rock"]))
    file.seek(77)
    assert read_tags(file).genre == "Rock"
    assert file.tell() == 77


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    ("text", "genre"),
    [
        (["Rock"], "Rock"),
        (["17"], "Rock"),
        (["(17)"], "Rock"),
        (["(17)Rock"], "Rock"),
        (["(17)Rock and so on"], "Rock; Rock and so on"),
        (["(51)(39)"], "Techno-Industrial; Noise"),
        (["(4)Eurodisco"], "Disco; Eurodisco"),
        (["((not a number)"], "(not a number)"),
        (["(RX)"], "Remix"),
        (["(200)"], "Unknown"),
        (["Rock", "Pop"], "Rock; Pop"),
        (["Rock/Pop"], "Rock/Pop"),
        (["Hip-Hop;Rap"], "Hip-Hop;Rap"),
        ([""], None),
        (["\x01\x02 \u202e"], None),
        (["Ro\x07ck\t Steady"], "Rock Steady"),
        (["G" * 3000], "G" * 1000),
    ],
)
def test_genres_of_id3(version, text, genre):
    assert read(id3([TCON(encoding=3, text=text)], version=version)).genre == genre


@pytest.mark.parametrize("encoding", [0, 1, 2, 3])
def test_encodings_of_id3(encoding):
    assert read(id3(id3_frames({"artist": ["Bjürk"]}, encoding=encoding))).artist == "Bjürk"


def frame_22(name, text):
    data = b"\0" + text
    return name + len(data).to_bytes(3, "big") + data


def raw_tag(version, body, *, flags=0):
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def frame_23(name, data, *, flags=0, size=None):
    return name + (len(data) if size is None else size).to_bytes(4, "big") + flags.to_bytes(2, "big") + data


def test_id3v22():
    picture = b"PIC" + (200_000).to_bytes(3, "big") + bytes(200_000)
    body = picture + frame_22(b"TCO", b"(17)Rock") + frame_22(b"TP1", b"Me") + frame_22(b"TT2", b"It")
    assert read(raw_tag(2, body + bytes(100))) == TrackTags(genre="Rock", artist="Me", title="It")


def test_id3v22_names_in_a_tag_of_23():
    assert read(raw_tag(3, frame_23(b"TP1\0", b"\0Me"))).artist == "Me"


def test_unsynchronised_id3v23():
    body = frame_23(b"APIC", b"\xff\xfe\xff\x00" * 10) + frame_23(b"TPE1", b"\1\xff\xfeM\0e\0")
    assert read(raw_tag(3, body.replace(b"\xff", b"\xff\x00"), flags=0x80)).artist == "Me"


def test_extended_headers():
    body = frame_23(b"TPE1", b"\0Me")
    assert read(raw_tag(3, b"\0\0\0\x06" + bytes(6) + body, flags=0x40)).artist == "Me"
    assert read(raw_tag(4, b"\0\0\0\x06\1\0" + body, flags=0x40)).artist == "Me"
    # The flag, and no such header.
    assert read(raw_tag(3, body, flags=0x40)).artist == "Me"


def test_sizes_as_itunes_wrote_them():
    """Plain numbers in a tag of ID3v2.4, where bytes should have seven bits; both sizes are tried."""
    body = frame_23(b"TIT2", b"\0" + b"t" * 299) + frame_23(b"APIC", bytes(70_000)) + frame_23(b"TPE1", b"\0Me")
    for padding in (b"", bytes(50)):
        assert read(raw_tag(4, body + padding)) == TrackTags(artist="Me", title="t" * 299)


def test_id3v1_and_apev2_fill_what_is_missing():
    v1 = (
        b"TAG"
        + b"".join(text.ljust(30, b"\0") for text in (b"Old title", b"Old artist", b""))
        + bytes(34)
        + b"\x11"
    )
    assert read(sound("mp3") + v1) == TrackTags(genre="Rock", artist="Old artist", title="Old title")
    ape, file = APEv2(), io.BytesIO(sound("mp3"))
    ape["Genre"], ape["Artist"] = ["Pop", "Dance"], "Ape"
    ape.save(file)
    assert read(file.getvalue()) == TrackTags(genre="Pop; Dance", artist="Ape")
    all_three = id3(id3_frames({"genre": ["Jazz"]})) + file.getvalue() + v1
    assert read(all_three) == TrackTags(genre="Jazz", artist="Ape", title="Old title")


def test_text_of_no_declared_encoding_is_utf8_or_windows():
    """ID3v1 says nothing of its encoding, and what ID3v2 calls Latin-1 often is none."""
    title, artist, windows = "Пусть".encode(), "Möwen".encode("latin-1"), "“Grün”".encode("cp1252")
    v1 = b"TAG" + b"".join(text.ljust(30, b"\0") for text in (title, artist, b"")) + bytes(34) + b"\x11"
    assert read(sound("mp3") + v1) == TrackTags(genre="Rock", artist="Möwen", title="Пусть")
    frames = frame_23(b"TIT2", b"\0" + windows) + frame_23(b"TPE1", b"\0" + artist)
    frames += frame_23(b"TCON", b"\0(17)" + "Música".encode())
    assert read(raw_tag(3, frames)) == TrackTags(genre="Rock; Música", artist="Möwen", title="“Grün”")


def test_a_second_id3v2_tag_fills_what_the_first_lacks():
    first = id3(id3_frames({"genre": ["Rock"], "title": ["First"]}), version=3)
    second = id3(id3_frames({"artist": ["Me"], "title": ["Second"]}))
    for name in ("mp3", "flac"):
        assert read(first + second + sound(name)) == TrackTags(genre="Rock", artist="Me", title="First")


def info_list(fields):
    chunks = b"".join(
        name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for name, text in fields.items()
    )
    return b"LIST" + struct.pack("<I", len(chunks) + 4) + b"INFO" + chunks


def test_list_info_of_wav():
    """Source: Microsoft, Multimedia Programming Interface and Data Specifications 1.0, INFO list."""
    plain = sound("wav")
    info = info_list({b"IGNR": b"Rock\0", b"IART": "Möwen".encode("cp1252"), b"INAM": "Grün\0".encode()})
    # Behind the sound, where FFmpeg and Audacity write it, and before it.
    for content in (plain + info, plain[:36] + info + plain[36:]):
        whole = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
        assert read(whole) == TrackTags(genre="Rock", artist="Möwen", title="Grün")


def test_tags_of_matroska():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sound.mka"
        with av.open(str(path), "w", format="matroska") as opened:
            opened.metadata.update({"genre": "Rock", "ARTIST": "Ünï & Cödé", "title": "A ♫ title"})
            stream = opened.add_stream("libopus", rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48000, 0
            opened.mux(stream.encode(frame))
            opened.mux(stream.encode(None))
        assert read(path.read_bytes()) == ROCK


def test_tags_of_dsd():
    """DSF points to an ID3v2 tag at its end; DSDIFF has chunks of its own for artist and title."""
    tag = id3(id3_frames({"genre": ["Rock", "Pop"], "artist": ["Me"]}))
    assert read(b"DSD " + struct.pack("<QQQ", 28, 100 + len(tag), 100) + bytes(72) + tag) == TrackTags(
        genre="Rock; Pop", artist="Me"
    )

    def chunk(name, data):
        return name + struct.pack(">Q", len(data)) + data + bytes(len(data) % 2)

    def text(name, words):
        return chunk(name, struct.pack(">I", len(words)) + words)

    sound_properties = chunk(b"FS  ", struct.pack(">I", 2_822_400)) + chunk(b"CHNL", b"\0\1C   ")
    sound_properties += chunk(b"CMPR", b"DSD \x0enot compressed")
    body = chunk(b"FVER", b"\1\5\0\0") + chunk(b"PROP", b"SND " + sound_properties)
    body += chunk(b"DIIN", text(b"DIAR", b"Me") + text(b"DITI", b"It")) + chunk(b"DSD ", b"\x69" * 4096)
    assert read(chunk(b"FRM8", b"DSD " + body)) == TrackTags(artist="Me", title="It")


def test_chunks_of_odd_size_have_a_byte_behind_them():
    tag = id3(id3_frames({"genre": ["Rock"]}))
    for form, order in ((b"RIFF\0\0\0\0WAVE", "little"), (b"FORM\0\0\0\0AIFF", "big")):
        odd = b"abcd" + (3).to_bytes(4, order) + b"xyz\0"
        assert read(form + odd + b"ID3 " + len(tag).to_bytes(4, order) + tag).genre == "Rock"


def test_flac_behind_id3():
    front = id3(id3_frames({"genre": ["Pop"], "title": ["Front"]}))
    assert read(front + tagged("flac", genre=["Rock"])) == TrackTags(genre="Rock", title="Front")


def test_text_that_is_not_what_its_encoding_says():
    assert read(raw_tag(3, frame_23(b"TPE1", b"\1\xff\xfeM\0\0\xd8"))).artist in (None, "M", "M�")
    assert read(tagged("flac", artist=["Me"]).replace(b"=Me", b"=\xff\xfe")).artist == "\ufffd\ufffd"
    broken = tagged("m4a", artist=["Mexx"], genre=["Rock"]).replace(b"Mexx", b"\xff\xff\xff\xff")
    assert read(broken) == TrackTags(genre="Rock")
    ape, file = APEv2(), io.BytesIO(sound("mp3"))
    ape["Artist"], ape["Genre"] = "Mexx", "Rock"
    ape.save(file)
    assert read(file.getvalue().replace(b"Mexx", b"\xff\xff\xff\xff")) == TrackTags()


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
frames = st.lists(
    st.one_of(
        st.builds(TCON, encoding=st.sampled_from([1, 2, 3]), text=st.lists(names, max_size=3)),
        st.builds(TPE1, encoding=st.sampled_from([1, 2, 3]), text=st.lists(names, max_size=3)),
        st.builds(TIT2, encoding=st.sampled_from([1, 2, 3]), text=st.lists(names, max_size=2)),
        st.builds(TALB, encoding=st.sampled_from([1, 2, 3]), text=st.lists(names, max_size=2)),
        st.builds(COMM, encoding=st.just(3), lang=st.just("eng"), desc=names, text=st.lists(names, max_size=2)),
        st.builds(
            APIC, data=st.binary(max_size=300), mime=st.just("image/png"), desc=st.just(""), type=st.just(3)
        ),
    ),
    max_size=6,
)


def clean(values):
    """Of plain values, what is left: independent of the code under test in all but the rule itself."""
    texts = []
    for value in values:
        for part in value.split("\0"):
            text = "".join(c for c in " ".join(part.split()) if c.isprintable()).strip()
            if text and text not in texts:
                texts.append(text)
    return "; ".join(texts)[:1000] or None


@given(frames, st.sampled_from([3, 4]))
@settings(deadline=None)
def test_a_tag_without_its_pictures_says_what_the_whole_one_says(some, version):
    content = id3(some, version=version)
    whole = ID3(io.BytesIO(content)) if content else ID3()
    expected = {
        name: clean(frame.genres if key == "TCON" else frame.text) if (frame := whole.get(key)) else None
        for name, key in (("genre", "TCON"), ("artist", "TPE1"), ("title", "TIT2"))
    }
    assert read(content + b"\xff\xfb\x90\x00" * 50) == TrackTags(**expected)


@functools.cache
def rich(name):
    return tagged(name, genre=["Rock", "Pop"], artist=["Me"], title=["Title"])


@given(st.data(), st.sampled_from(sorted(SOUNDS)))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_damage_raises(data, name):
    content = bytearray(rich(name))
    for _ in range(data.draw(st.integers(1, 8))):
        # Damage where tags are, mostly: at both ends.
        place = data.draw(st.one_of(st.integers(0, 600), st.integers(0, len(content) - 1))) % len(content)
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    tags = read(bytes(content[:cut]))
    for text in (tags.genre, tags.artist, tags.title):
        assert text is None or (text.isprintable() and text.strip() == text and len(text) <= 1000)
        assert text is None or text.encode()  # no lone surrogates, which nothing could be written with


@given(
    st.sampled_from(
        [
            *(b"ID3\x02", b"ID3\x03", b"ID3\x04", b"fLaC", b"OggS", b"\0\0\0\x20ftyp", b"RIFF\0\0\0\0WAVE"),
            *(b"DSD ", b"FRM8", b"\x1aE\xdf\xa3", b""),
        ]
    ),
    st.binary(max_size=600),
)
@settings(deadline=None)
def test_no_bytes_raise(magic, content):
    assert isinstance(read(magic + content), TrackTags)
    assert isinstance(read(magic + content + b"APETAGEX" + content[:24].ljust(24, b"\0")), TrackTags)


def test_a_storage_that_fails_is_not_a_file_without_tags():
    content = tagged("mp3", genre=["Rock"])
    with pytest.raises(OSError, match="the disk is on fire"):
        read_tags(BrokenFile(content, first_bad=0))
    with pytest.raises(OSError, match="the disk is on fire"):
        read_tags(BrokenFile(tagged("m4a", genre=["Rock"]), first_bad=10))
    # Also where mutagen makes an error of its own of it: at the end, where the last kinds of tags would be.
    with pytest.raises(OSError, match="the disk is on fire"):
        read_tags(BrokenFile(content + bytes(10_000), first_bad=len(content) + 9_990))


def flac_block(code, data, *, is_last=False):
    return bytes([code | is_last << 7]) + len(data).to_bytes(3, "big") + data


def comments(count, payload):
    return struct.pack("<I", 0) + struct.pack("<I", count) + payload


def bombs():
    """Files of up to 30 MB that would take minutes or gigabytes."""
    tiny = struct.pack("<I", 3) + b"a=b"
    packed = zlib.compress(bytes(1 << 28), 9)
    ape_item = struct.pack("<II", 0, 0) + b"ab\0"
    ape = ape_item * 1_000_000
    ape_end = b"APETAGEX" + struct.pack("<IIII", 2000, len(ape) + 32, 1_000_000, 0) + bytes(8)
    return {
        "a picture of 2 GB": raw_tag(3, frame_23(b"APIC", b"x", size=2**31)),
        "compressed text": raw_tag(3, frame_23(b"TCON", struct.pack(">I", 1 << 28) + packed, flags=0x80)),
        "compressed text, 2.4": id3v24_packed(packed),
        "unsynchronised": raw_tag(3, b"\xff" * (16 << 20), flags=0x80),
        "a million frames": raw_tag(3, frame_23(b"TXXX", b"\0") * 1_000_000),
        "text of 16 MB": raw_tag(3, frame_23(b"TCON", b"\0" + b"a\0" * (8 << 20))),
        "many texts": raw_tag(3, frame_23(b"TCON", b"\0" + b"a\0" * 4000) * 3000),
        "comments in flac": b"fLaC" + flac_block(4, comments(2**32 - 1, tiny * 2_000_000), is_last=True),
        "one comment of 4 GB": b"fLaC" + flac_block(4, comments(1, struct.pack("<I", 2**32 - 1)), is_last=True),
        "ape items": sound("mp3") + ape + ape_end,
        "atoms": b"\0\0\0\x20ftypM4A "
        + bytes(20)
        + struct.pack(">I4s", 24_000_008, b"moov")
        + b"\0\0\0\x08free" * 3_000_000,
        "nested atoms": b"\0\0\0\x20ftypM4A "
        + bytes(20)
        + b"".join(struct.pack(">I4s", 2_000_000 - 8 * i, b"moov") for i in range(200_000)),
        "values of an atom": mp4_of(b"\0\0\0\x10data\0\0\0\1\0\0\0\0" * 1_500_000),
        "chunks": b"RIFF\0\0\0\0WAVE" + b"abcd\0\0\0\0" * 3_000_000,
        "flac blocks": b"fLaC" + flac_block(1, b"") * 5_000_000,
        "comments in ogg": ogg_of(tiny * 2_000_000),
        "chunks of info": b"RIFF\0\0\0\0WAVE" + info_list({b"IGNR": b"Rock"}) + b"IART\0\0\0\0" * 3_000_000,
        "elements": b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
        + b"\x12\x54\xc3\x67\x80" * 5_000_000,
        "ogg pages": b"OggS"
        + bytes(22)
        + b"\1\x1e"
        + b"\x01vorbis"
        + bytes(23)
        + (b"OggS" + bytes(23)) * 1_000_000,
    }


def id3v24_packed(packed):
    size = bytes(len(packed) + 4 >> shift & 127 for shift in (21, 14, 7, 0))
    return raw_tag(4, b"TCON" + size + b"\0\x09" + bytes(4) + packed)


def mp4_of(values):
    atom = values
    for name in (b"\xa9gen", b"ilst", b"meta", b"udta", b"moov"):
        atom = (bytes(4) if name == b"meta" else b"") + atom
        atom = struct.pack(">I4s", len(atom) + 8, name) + atom
    return b"\0\0\0\x20ftypM4A " + bytes(20) + atom


def ogg_of(payload):
    info = b"\x01vorbis" + struct.pack("<IBI3iBB", 0, 2, 44100, 0, 128_000, 0, 0xB8, 1)
    pages = OggPage.from_packets([info, b"\x03vorbis" + comments(2**32 - 1, payload)], default_size=65_000)
    return b"".join(page.write() for page in pages)


def test_bombs_take_little_memory_and_come_to_an_end(monkeypatch):
    monkeypatch.setattr(tags_module, "_MAX_CPU_S", 0.3)
    peaks_mb = {}
    for name, content in bombs().items():
        tracemalloc.start()
        read_tags(io.BytesIO(content))
        peaks_mb[name] = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
    assert max(peaks_mb.values()) < 70, peaks_mb


def test_real_pictures_are_no_bombs():
    """The largest that people embed, before the text and behind it; and they are not even read."""
    picture = np.random.default_rng(0).bytes(20 << 20)
    frames = [APIC(data=picture, mime="image/png", type=3, desc=""), *id3_frames({"genre": ["Rock"]})]
    file = CountingFile(id3(frames) + sound("mp3"))
    assert read_tags(file).genre == "Rock"
    assert file.n_read < 100_000
    art = Picture()
    art.data = picture[: 10 << 20]
    opened = io.BytesIO(sound("flac"))
    audio = FLAC(opened)
    for _ in range(5):
        audio.add_picture(art)
    audio["genre"] = "Rock"
    opened.seek(0)
    audio.save(opened)
    file = CountingFile(opened.getvalue())
    assert read_tags(file).genre == "Rock"
    assert file.n_read < 100_000
    opened = io.BytesIO(sound("m4a"))
    audio = MP4(opened)
    audio["covr"], audio["\xa9gen"] = [MP4Cover(picture)], ["Rock"]
    opened.seek(0)
    audio.save(opened)
    assert read(opened.getvalue()).genre == "Rock"


class CountingFile(io.BytesIO):
    n_read = 0

    def read(self, n_bytes=-1):
        data = super().read(n_bytes)
        self.n_read += len(data)
        return data
