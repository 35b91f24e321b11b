"""How a setting is refused."""

from deepsound.errors import ConfigError


def check_setting(is_right: bool, key: str, value: object, wanted: str) -> None:
    """Raise :class:`ConfigError`, naming key, value and what was wanted, unless ``is_right``."""
    if not is_right:
        raise ConfigError(f"'{key}' is {value!r:.200}; wanted {wanted}")
