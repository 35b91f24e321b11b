"""Containers told by their first bytes, whatever a file is called."""

# Sources: ISO 14496-12 (ftyp), the ASF specification's header object GUID, RFC 9559 (EBML header).
_ASF = bytes.fromhex("3026b2758e66cf11")
_EBML = bytes.fromhex("1a45dfa3")


def detect_container(content: bytes) -> str | None:
    """``mp4``, ``asf``, ``matroska`` or ``aac`` (ADTS), told by the first bytes; None for anything else."""
    if content[4:8] == b"ftyp":
        return "mp4"
    if content.startswith(_ASF):
        return "asf"
    if content.startswith(_EBML):
        return "matroska"
    start = _end_of_id3(content)
    # ISO 13818-7: twelve bits of sync and layer 0, which MPEG audio (MP3) never has.
    is_adts = len(content) > start + 7 and content[start] == 0xFF and content[start + 1] & 0xF6 == 0xF0
    return "aac" if is_adts else None


def _end_of_id3(content: bytes) -> int:
    """Where an ID3v2 tag at the beginning ends; 0 without one. Source: id3.org, ID3v2.4.0, section 3.1."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
