"""Sound files of three seconds whose headers say something else."""

import struct

from tests.sounds import encode, write_pcm

RATE_HZ = 8000


def make_liars():
    """By name, a file and what becomes of it: ``too_long`` by its header, or what its decoder makes of the lie.

    Half of the containers have a length that decoders believe. Of the others, what is there is what counts.
    """
    flac = write_pcm("FLAC", "PCM_16", RATE_HZ, 1)
    opus = write_pcm("OGG", "OPUS", 48000, 1)
    mp3 = write_pcm("MP3", "MPEG_LAYER_III", 44100, 1)
    wma = encode("asf", "wmav2", 44100)
    mka = encode("matroska", "aac", 44100)
    wav, w64, au, aiff = (write_pcm(name, "PCM_16", RATE_HZ, 1) for name in ("WAV", "W64", "AU", "AIFF"))
    m4a = encode("ipod", "aac", 44100)
    return {
        # RFC 9639, 8.2: 36 bits of samples.
        "flac-2-36.flac": (flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff" * 4 + flac[26:], "unreadable"),
        "flac-2-32.flac": (flac[:21] + bytes([flac[21] | 1]) + bytes(4) + flac[26:], "too_long"),
        # RFC 3533, 6: the granule position of the last page.
        "vorbis-2-50.ogg": (with_last_granule(write_pcm("OGG", "VORBIS", RATE_HZ, 1), 2**50), None),
        "opus-2-50.opus": (with_last_granule(opus, 2**50), None),
        "mp3-2-31.mp3": (put(mp3, mp3.index(b"Xing") + 8, ">I", 2**31), None),
        # ASF, 3.2: the play duration in units of 100 ns stands 64 bytes into the file properties object.
        "wma-3-years.wma": (
            put(wma, wma.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 64, "<q", 10**15),
            "unreadable",
        ),
        # WavPack's block header: the samples of the file at byte 12.
        "wv-2-31.wv": (put(encode("wv", "wavpack"), 12, "<I", 2**31), "too_long"),
        # RFC 9559, 5.1.2.10: ID, length 8, a double in milliseconds.
        "mka-30-years.mka": (put(mka, mka.index(b"\x44\x89\x88") + 3, ">d", 1e12), "unreadable"),
        "wav-4-gb.wav": (put(wav, wav.index(b"data") + 4, "<I", 2**32 - 2), None),
        "w64-2-60.w64": (put(w64, w64.index(b"data\xf3\xac") + 16, "<q", 2**60), None),
        "au-2-gb.au": (put(au, 8, ">I", 2**31 - 8), "empty"),
        "aiff-2-31.aiff": (put(aiff, aiff.index(b"COMM") + 10, ">I", 2**31 - 1), None),
        "m4a-2-32.m4a": (put(m4a, m4a.index(b"mdhd") + 20, ">I", 2**32 - 16), None),
        "m4a-2-31-sizes.m4a": (put(m4a, m4a.index(b"stsz") + 12, ">I", 2**31 - 1), "unreadable"),
        # A sample of 1,024 channels is 2 KB: 23 of them are there.
        "wav-1024-channels.wav": (put(put(wav, 22, "<H", 1024), 32, "<H", 2048), "too_short"),
    }


def make_beheaded():
    """WAV files that no decoder opens, as GTZAN's jazz.00054.wav: sound behind a header of garbage."""
    wav = write_pcm("WAV", "PCM_16", 22050, 1)
    return {
        "jazz.00054.wav": b"\x8a\x91\x03\xe5" + wav[4:],
        "jazz.00055.wav": bytes(44) + wav[44:],
        "jazz.00056.wav": wav[:12] + b"\x8a" * 32 + wav[44:],
        "jazz.00057.wav": b"\x17" * 12 + wav[12:],
    }


def put(content, place, code, value):
    """The file with a number put over what stands there."""
    number = struct.pack(code, value)
    return content[:place] + number + content[place + len(number) :]


def with_last_granule(ogg, n_samples):
    """An Ogg file whose last page claims so many samples, under a right checksum."""
    last = ogg.rindex(b"OggS")
    return ogg[:last] + with_checksum(put(ogg[last:], 6, "<q", n_samples))


def with_checksum(page):
    """An Ogg page with the checksum of its content (RFC 3533, section 6)."""
    page = bytearray(page)
    page[22:26] = bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)
