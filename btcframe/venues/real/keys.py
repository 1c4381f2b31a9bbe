"""The keys of an account: from the environment or the keyring, and never in a text."""

from __future__ import annotations

import enum
import hashlib
import os
from dataclasses import dataclass, field

from btcframe.endpoints import LOCAL_KEY, LOCAL_SECRET, Endpoint, key_names
from btcframe.errors import ConfigError, PluginError


class KeySource(enum.Enum):
    """Where the keys are."""

    env = "env"
    keyring = "keyring"


@dataclass(frozen=True)
class Keys:
    """Key and secret of an account.

    Parameters
    ----------
    key, secret : str
    where : str         where they come from, in words
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)
    where: str

    @property
    def mark(self) -> str:
        """What the account is called in file names: 8 hexadecimal digits of the key's SHA-256."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:8]

    def scrubbed(self, text: str) -> str:
        """The text without key and secret, whoever wrote them into it."""
        for word in (self.secret, self.key):
            text = text.replace(word, "***")
        return text


def keys_of(exchange: str, endpoint: Endpoint, source: KeySource) -> Keys:
    """The keys for an exchange's endpoint.

    Raises
    ------
    ConfigError
        If there are none, or only one of the two.
    PluginError
        If they are in the keyring, and the extra `ccxt` is not installed.
    """
    names = key_names(exchange, endpoint)
    service = f"btcframe {exchange} {endpoint.value}"
    if source is KeySource.keyring:
        key, secret, where = *_of_keyring(service), "the keyring"
        missing = f"the keyring has no key and secret under {service!r}"
        next_ = f"keyring set '{service}' key, then keyring set '{service}' secret; or venue.keys=env"
    else:
        key, secret = (os.environ.get(name, "").strip() for name in names)
        where = "the environment"
        absent = [name for name, value in zip(names, (key, secret), strict=True) if not value]
        missing = f"the environment has no {' and no '.join(absent)}"
        next_ = f"export {names[0]}=… {names[1]}=…, or venue.keys=keyring"
    if key and secret:
        return Keys(key, secret, where)
    if endpoint is Endpoint.local and not key and not secret:
        return Keys(LOCAL_KEY, LOCAL_SECRET, "the local exchange's published key")
    raise ConfigError(
        missing,
        where="venue",
        hint="Keys are never in the configuration. A key belongs to one endpoint of one exchange.",
        next=next_,
    )


def _of_keyring(service: str) -> tuple[str, str]:
    try:
        import keyring
        import keyring.errors
    except ModuleNotFoundError as error:
        raise PluginError(
            f"venue.keys=keyring needs a package that is not installed: {error.name}",
            hint="It comes with an extra of btcframe.",
            next="pip install 'btcframe[ccxt]'",
        ) from error
    try:
        key, secret = (keyring.get_password(service, user) or "" for user in ("key", "secret"))
    except keyring.errors.KeyringError as error:
        raise ConfigError(
            f"the keyring cannot be read: {type(error).__name__}", where="venue.keys", next="venue.keys=env"
        ) from error
    return key.strip(), secret.strip()
