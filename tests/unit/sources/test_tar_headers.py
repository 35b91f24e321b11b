"""Where members lie, as Python's tarfile and GNU tar have it; and tars that are cut off, damaged or hostile."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import subprocess
import tarfile
import tracemalloc

import pytest

from deepsound.errors import InputError
from deepsound.sources.tar_headers import walk_tar

LONG = "/".join(["a long folder name " * 3] * 5) + "/ünïcödé ♫.mp3"
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def walk(data):
    return list(walk_tar(io.BytesIO(data), name="x.tar"))


def header_of(name, size=0, **fields):
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def tar_of(*members, kind="pax", **options):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=FORMATS[kind], **options) as tar:
        for name, content in members:
            tar.addfile(header_of(name, len(content)), io.BytesIO(content))
    return file.getvalue()


def same_as_tarfile(data):
    """Compare with tarfile, content by content; the headers."""
    headers = walk(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
        assert [header.name.rstrip("/") for header in headers] == [info.name for info in infos]
        for header, info in zip(headers, infos, strict=True):
            assert (header.is_file, header.is_link) == (info.isreg(), info.issym() or info.islnk())
            assert header.is_sparse == info.issparse()
            assert header.modified_ms == pytest.approx(info.mtime * 1000, abs=1)
            if header.is_file and not header.is_sparse:
                assert data[header.offset : header.offset + header.size_bytes] == tar.extractfile(info).read()
    return headers


@pytest.mark.parametrize("kind", ["ustar", "gnu", "pax"])
def test_members_of_gnu_tar_lie_where_tarfile_has_them(tmp_path, kind):
    names = {"0.mp3": 0, "1.mp3": 1, "511.mp3": 511, "512.mp3": 512, "513.mp3": 513, "b/ünïcödé ♫.mp3": 70_000}
    (tmp_path / "in").mkdir()
    if kind != "ustar":
        names[LONG] = 1000
        (tmp_path / "in" / "long.mp3").symlink_to("x/" * 100)
    for name, size in names.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(size).randbytes(size))
        os.utime(path, ns=(0, 1_234_567_891_234_567_891))
    (tmp_path / "in" / "soft.mp3").symlink_to("1.mp3")
    (tmp_path / "in" / "zhard.mp3").hardlink_to(tmp_path / "in" / "1.mp3")
    os.mkfifo(tmp_path / "in" / "pipe.mp3")
    subprocess.run(
        ["tar", "-cf", tmp_path / "x.tar", f"--format={kind}", "-C", tmp_path / "in", "."], check=True, env={}
    )
    headers = same_as_tarfile((tmp_path / "x.tar").read_bytes())
    found = {header.name.removeprefix("./") for header in headers}
    assert found > {*names, "soft.mp3", "pipe.mp3", "zhard.mp3"}
    exact = 1_234_567_891_234 if kind == "pax" else 1_234_567_891_000
    assert {header.modified_ms for header in headers if header.is_file} == {exact}


@pytest.mark.parametrize("options", [["gnu"], ["pax", "0.0"], ["pax", "0.1"], ["pax", "1.0"]])
def test_sparse_members_are_told_and_the_next_ones_found(tmp_path, options):
    with (tmp_path / "a.wav").open("wb") as file:
        for part in range(60):  # more parts than one header has room for
            file.seek(part << 16)
            file.write(b"x" * 4096)
        file.truncate(1 << 23)
    (tmp_path / "b.wav").write_bytes(b"12345")
    version = [f"--sparse-version={options[1]}"] if options[1:] else []
    command = ["tar", "-cSf", tmp_path / "x.tar", f"--format={options[0]}", *version, "-C", tmp_path]
    subprocess.run([*command, "a.wav", "b.wav"], check=True)
    sparse, plain = same_as_tarfile((tmp_path / "x.tar").read_bytes())
    assert (sparse.name, sparse.is_sparse, plain.name, plain.is_sparse) == ("a.wav", True, "b.wav", False)


@pytest.mark.parametrize("kind", ["gnu", "pax"])
def test_names_that_are_no_utf8(kind):
    name = b"latin-\xe9.mp3".decode("utf-8", "surrogateescape")
    (header,) = walk(tar_of((name, b"x"), kind=kind))
    assert header.name == "latin-\\xe9.mp3"


def test_a_global_header_is_passed_over():
    data = tar_of(("a.mp3", b"123"), pax_headers={"comment": "git", "path": "everywhere", "size": "99"})
    (header,) = walk(data)
    assert (header.name, data[header.offset : header.offset + header.size_bytes]) == ("a.mp3", b"123")


def test_a_size_in_a_pax_header_counts(tmp_path):
    # As of a file of more than 8 GiB, which lies in a file with a hole here.
    big = header_of("big.wav", 9 << 30)
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(big.tobuf(tarfile.PAX_FORMAT))
        start = file.tell()
        file.seek(9 << 30, io.SEEK_CUR)
        file.write(header_of("next.wav").tobuf() + bytes(1024))
    with path.open("rb") as file:
        first, second = walk_tar(file, name="x.tar")
    assert (first.offset, first.size_bytes, second.name) == (start, 9 << 30, "next.wav")


def test_a_tar_may_be_empty_but_no_file_without_bytes():
    assert walk(tar_of()) == []
    with pytest.raises(InputError, match=r"x\.tar is no tar"):
        walk(b"")


@pytest.mark.parametrize("content", [b"ID3 this is music " * 100, b"short"])
def test_what_is_no_tar(content):
    with pytest.raises(InputError, match=r"x\.tar is no tar"):
        walk(content)


@pytest.mark.parametrize(
    ("pack", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")]
)
def test_a_compressed_tar_is_to_be_unpacked(pack, kind):
    for members in ([], [("a.mp3", os.urandom(2000))]):
        with pytest.raises(InputError, match=rf"x\.tar is compressed \({kind}\).*unpack"):
            walk(pack(tar_of(*members)))


def test_a_plain_tar_may_begin_with_what_packed_ones_do():
    assert [header.name for header in walk(tar_of(("BZh9.mp3", b"")))] == ["BZh9.mp3"]


def test_a_tar_that_is_cut_off_anywhere():
    data = tar_of(("a.mp3", b"x" * 700), ("b.mp3", b"y" * 700))[: 2 * (512 + 1024) + 512]
    assert [header.name for header in walk(data)] == ["a.mp3", "b.mp3"]
    for length in range(512, len(data), 100):
        headers = walk_tar(io.BytesIO(data[:length]), name="x.tar")
        with pytest.raises(InputError, match=r"^x\.tar is cut off.*; members read before: [012]$") as caught:
            list(headers)
        # None of which a part is missing.
        n_whole = (length >= 512 + 700) + (length >= 512 + 1024 + 512 + 700)
        assert str(caught.value).endswith(f"members read before: {n_whole}")


def test_damage_behind_the_first_member_is_no_end():
    data = bytearray(tar_of(("a.mp3", b"x"), ("b.mp3", b"y"), ("c.mp3", b"z")))
    data[1024 + 3] ^= 1
    with pytest.raises(InputError, match=r"^x\.tar is damaged: no header at byte 1024.*; members read before: 1$"):
        walk(bytes(data))


@pytest.mark.parametrize("size", [-512, -1, 1 << 62, (1 << 80) + 512])
@pytest.mark.parametrize("kind", [b"0", b"L", b"x", b"g"])
def test_sizes_that_lead_astray(size, kind):
    head = bytearray(header_of("a.mp3").tobuf(tarfile.USTAR_FORMAT))
    head[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % (1 << 88)).to_bytes(11, "big")
    head[156:157] = kind
    head[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(head))[0]
    with pytest.raises(InputError, match=r"^x\.tar (is|has) .*; members read before: 0$"):
        walk(bytes(head) + tar_of(("b.mp3", b"x")))


def extension(payload, kind=tarfile.XHDTYPE, *, size=None):
    head = header_of("h", len(payload) if size is None else size, type=kind)
    return head.tobuf(tarfile.USTAR_FORMAT) + payload + bytes(-len(payload) % 512)


@pytest.mark.parametrize(
    "payload",
    [
        *(b"no record", b"0 a=b\n", b"3 a\n", b"99 path=x\n", b"9 path=x", b"5 a=b", b"9" * 5000 + b" a=b\n"),
        *(b"13 size=-512\n", b"21 size=1000000000000\n", b"6 a=b\n0 c=d\n", b"6 a=b\n1 c=d\n"),
    ],
)
def test_pax_records_that_are_none(payload):
    with pytest.raises(InputError, match=r"^x\.tar is (cut off or )?damaged"):
        walk(extension(payload) + tar_of(("a.mp3", b"x")))


def test_pax_records_end_at_a_null_byte_and_the_first_header_wins():
    first, second = extension(b"14 path=a.mp3\n" + bytes(20)), extension(b"14 path=b.mp3\n")
    (header,) = same_as_tarfile(first + second + tar_of(("c.mp3", b"x")))
    assert header.name == "a.mp3"


def test_an_end_mark_belongs_behind_a_member():
    with pytest.raises(InputError, match=r"^x\.tar is damaged: no header at byte 1024"):
        walk(extension(b"6 a=b\n") + bytes(1024))


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, b"D", b"7"])
def test_which_types_of_members_have_data(kind):
    head = header_of("a.mp3", 700, type=kind, linkname="x").tobuf(tarfile.USTAR_FORMAT)
    data = b"x" * 700 + bytes(324) if kind in (b"D", b"7") else b""
    assert [header.name for header in same_as_tarfile(head + data + tar_of(("b.mp3", b"x")))] == ["a.mp3", "b.mp3"]


@pytest.mark.parametrize(
    ("mtime", "modified_ms"), [(1.001, 1001), (1.5, 1500), (0, 0), (-5, 0), (10**15, 0), (10**11, 10**14)]
)
@pytest.mark.parametrize("kind", ["gnu", "pax"])
def test_times(mtime, modified_ms, kind):
    (header,) = walk(header_of("a.mp3", mtime=mtime).tobuf(FORMATS[kind]) + bytes(1024))
    assert header.modified_ms == (modified_ms if kind == "pax" else modified_ms // 1000 * 1000)


def test_a_file_that_gets_shorter_is_cut_off():
    with pytest.raises(InputError, match=r"^x\.tar is cut off: .*; members read before: 1$"):
        list(walk_tar(BlockFile(tar_of(("a.mp3", b"x"))[:1024]), name="x.tar"))


class BlockFile(io.BytesIO):
    """A file that claims to be huge, and says how much was asked of it at most."""

    most = 0

    def seek(self, offset, whence=0):
        return 1 << 40 if whence == io.SEEK_END else super().seek(offset, whence)

    def read(self, size=-1):
        self.most = max(self.most, size if size >= 0 else 1 << 40)
        return super().read(size)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_gigabytes_is_not_read(kind):
    file = BlockFile(extension(b"", kind, size=3 << 30))
    with pytest.raises(InputError, match=rf"x\.tar has a header of {3 << 30} bytes at byte 512, of which at most"):
        list(walk_tar(file, name="x.tar"))
    assert file.most == 512


def test_hostile_headers_take_neither_memory_nor_time():
    # Each record claims to be two bytes long, and a keyword goes on to the end; digits; headers without end.
    members = tar_of(("a.mp3", b"x"))
    tracemalloc.start()
    for payload in (b"2 " * 250_000 + b"=x\n", b"9" * 500_000):
        with pytest.raises(InputError, match="no pax record"):
            walk(extension(payload) + members)
    assert len(walk(extension(b"8 a=bcd\n") * 3000 + members)) == 1
    assert len(walk(extension(b"x" * 2_000_000, tarfile.XGLTYPE) * 2 + members)) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20


def test_memory_does_not_grow_with_the_members():
    def peak_of(n_members):
        head = header_of("a folder/a name.mp3").tobuf(tarfile.USTAR_FORMAT)
        file = io.BytesIO(head * n_members + bytes(1024))
        tracemalloc.start()
        assert sum(1 for _ in walk_tar(file, name="x.tar")) == n_members
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(10)
    assert peak_of(5000) < 2 * peak_of(100)


def test_damage_of_any_kind_is_one_error():
    whole = tar_of((LONG, b"x" * 700), ("b.mp3", b"y"), ("ü" * 90, b"z" * 3000), kind="pax")
    chance = random.Random(0)
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = data[: chance.randint(0, 2 * len(data))]
        with contextlib.suppress(InputError):
            headers = walk(bytes(data))
            assert all(0 <= header.offset <= header.offset + header.size_bytes <= len(data) for header in headers)
