"""Passwords, tokens and keys in addresses: needed to get there, never printed, logged or written."""

import re
from collections.abc import Mapping
from typing import Any

# What stands before the @ of an address, the last one where a password holds some. In Azure's schemes a container
# does, which is part of the place.
_USER = re.compile(r"\b(?!(?:abfs|wasb)s?://[^\s:/@]*@)([a-z][a-z0-9+.-]*://)[^\s/?#'\"]*@", re.IGNORECASE)
# A password that should have been encoded may hold / ? and #; a port may not be taken for one.
_USER_AND_PASSWORD = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/?#:@'\"]+:(?!\d+[/?#])[^\s'\"@]*@", re.IGNORECASE)
_SECRET = re.compile(
    r"([?&][^\s=&?#'\"]*(?:key|secret|token|passw|pwd|sig|credential)[^\s=&?#'\"]*=)[^\s&#'\"]+", re.IGNORECASE
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s]+", re.IGNORECASE)


def hide_credentials(text: str) -> str:
    """The text without the credentials of the addresses in it: the user before ``@``, secrets of the query."""
    if "://" not in text:
        return text
    text = _USER.sub(r"\1", _USER_AND_PASSWORD.sub(r"\1", text))
    return _ADDRESS.sub(lambda address: _SECRET.sub(r"\1***", address.group()), text)


def without_credentials(document: Any) -> Any:
    """A document of dictionaries and lists, as JSON can hold it, with :func:`hide_credentials` of every text."""
    if isinstance(document, str):
        return hide_credentials(document)
    if isinstance(document, Mapping):
        return {key: without_credentials(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [without_credentials(value) for value in document]
    return document
