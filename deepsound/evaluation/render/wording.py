"""Numbers in words, the same on every page."""


def figure(value: float | None, interval: tuple[float | None, float | None] | None, *, digits: int = 2) -> str:
    """A figure with its interval, as far as they are defined."""
    if value is None:
        return "-"
    if interval is None or interval[0] is None or interval[1] is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def percent(share: float) -> str:
    """A share in whole percent; what is not 0 or 1 is not called so."""
    whole = f"{100 * share:.0f}"
    if whole == "0" and share > 0:
        return "under 1 %"
    return "over 99 %" if whole == "100" and share < 1 else f"{whole} %"


def share_of(n: int, total: int) -> str:
    """So many of all, with the share: ``3 of 20 (15 %)``."""
    return f"{n} of {total} ({percent(n / total)})" if total else f"{n} of {total}"


def tracks(n: int) -> str:
    """``1 track``, ``2 tracks``."""
    return f"{n} track" if n == 1 else f"{n} tracks"


def brief(n: int) -> str:
    """A count in at most four characters up to a billion: ``9999``, ``12k``, ``1.2M``."""
    if n < 10_000:
        return str(n)
    if n < 999_500:
        return f"{n / 1e3:.0f}k"
    return f"{n / 1e6:.1f}M" if n < 9.95e6 else f"{n / 1e6:.0f}M"


def sentence(words: str) -> str:
    """Words with a capital."""
    return words[:1].upper() + words[1:]
