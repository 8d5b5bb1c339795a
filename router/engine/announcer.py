"""What of a provider's states is news: each change of a key, an account or the provider is told once, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from router.config.models import Key, Provider
from router.engine.health import Health, State
from router.engine.keys import AccountState, KeyRing, KeyState
from router.engine.traffic import RecentTraffic
from router.faults import Kind

Scope = Literal["key", "account", "provider"]
Because = Literal["own", "alike", "account", "keys"]
FOLLOWED: frozenset[Because] = frozenset({"account", "keys"})


class Change(NamedTuple):
    """A key's, an account's or the provider's state changed, or the share of its rate: what the log tells of it.

    `because` says why: `own` calls or time, several accounts failed `alike`, another provider's calls with the same
    `account`, or a provider follows its `keys`. `keys` are all that it is about. `fields` are what came before; None
    where only the share is another.
    """

    provider: Provider
    scope: Scope
    because: Because
    account: str | None
    keys: tuple[Key, ...]
    before: State
    after: State
    share_before: float
    share_after: float
    health: Health
    fields: Mapping[str, object] | None


class Told(NamedTuple):
    """What was last told of somebody."""

    state: State = State.READY
    share: float = 1.0
    because: Because = "own"


class Announcer:
    """Tells the changes of one provider; it keeps what it told last."""

    def __init__(
        self, provider: Provider, ring: KeyRing, traffic: RecentTraffic, on_change: Callable[[Change], None]
    ) -> None:
        self._provider = provider
        self._ring = ring
        self._traffic = traffic
        self._on_change = on_change
        self._told: dict[tuple[Scope, str], Told] = {}

    def key(self, key: KeyState, health: Health, now: float, because: Because) -> None:
        """Tell how a key stands: it dies alone, all else is its account's, a rest or a ban."""
        alone = health.state is State.DROPPED and not self._is_banned(key, health)
        if because == "account" and (alone or health.state is not State.RESTING):
            because = "own"
        if news := self._news("key", key.key.name, health if alone else Health(), because):
            self._tell(news, (key,), now, key.account)
        if not alone and (news := self._news("account", key.account.name, health, because)):
            self._tell(news, self._ring.of_account(key.account), now, key.account)

    def provider(
        self, health: Health, now: float, because: Because, in_flight: int, alike: tuple[KeyState, ...] = ()
    ) -> None:
        """Tell how the provider stands; `alike` are the keys for which it rests."""
        if news := self._news("provider", self._provider.name, health, because):
            self._tell(news, self._ring.keys if news.because == "keys" else alike, now, in_flight=in_flight)

    def _is_banned(self, key: KeyState, health: Health) -> bool:
        banned = health.cause is not None and health.cause.kind is Kind.ACCOUNT_BANNED
        return banned and all(each.health.state is State.DROPPED for each in self._ring.of_account(key.account))

    def _news(self, scope: Scope, name: str, health: Health, because: Because) -> Change | None:
        """What is new since it was last told, without what came before; None where nothing is."""
        before = self._told.get((scope, name), Told())
        state, share = health.state, health.share if health.is_open else before.share
        # A rest of its own that begins while all keys rest is news, though the state is the same.
        is_moved = state is not before.state or (before.because == "keys" != because and state is State.RESTING)
        if not is_moved and share == before.share:
            return None
        because = before.because if before.because in FOLLOWED and health.is_open else because
        self._told[scope, name] = Told(state, share, because)
        shares = (before.state, state, before.share, share)
        return Change(self._provider, scope, because, None, (), *shares, health, {} if is_moved else None)

    def _tell(
        self,
        news: Change,
        keys: tuple[KeyState, ...],
        now: float,
        account: AccountState | None = None,
        in_flight: int = 0,
    ) -> None:
        """Tell news of these keys with what came before."""
        name, fields = account.name if account else None, news.fields
        if fields is not None:
            before = self._traffic.before(now, key=keys[0].key.name if news.scope == "key" else None, account=name)
            out = account.in_flight if account else in_flight
            fields = {**before, "in_flight": out, "declared_rate": self._declared(account)}
        self._on_change(news._replace(account=name, keys=tuple(key.key for key in keys), fields=fields))

    def _declared(self, account: AccountState | None) -> str | None:
        """The limits declared for the provider, or for each account where the file has them."""
        rates = self._provider.key_rates if account and self._provider.key_rates else self._provider.rates
        return ", ".join(str(rate) for rate in rates) or None
