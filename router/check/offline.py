"""What can be said of a configuration without asking anybody: pure, from the file, the memory and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from urllib.parse import urlsplit

from router.catalog.vendors import of_prefix, prefix_of
from router.check import key_shapes
from router.check.declared_limits import pace_findings
from router.check.findings import Checkup, Finding, KeyView, Level, ProviderView, Remembered, UseView
from router.config.accounts import shared
from router.config.models import Config, Key, Provider
from router.rates import Rate
from router.store import Dropped, Use, identity, scope_of

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def examine(
    config: Config,
    *,
    now: float,
    dropped: Iterable[Dropped] = (),
    uses: Iterable[Use] = (),
    unreadable: str = "",
) -> Checkup:
    """Examine a configuration; `now` is in seconds since the epoch.

    `dropped` and `uses` are what earlier runs have learnt; `unreadable` says why that could not be read.
    """
    known = {each.identity: _remembered(each) for each in dropped}
    used = {(use.scope, use.period_s, use.window): use.count for use in uses}
    providers = tuple(_view(provider, known, used, now) for provider in config.providers)
    return Checkup(
        file=str(config.path),
        rehearse=config.rehearse,
        rehearses_now=config.wants_rehearsal,
        providers=providers,
        findings=(*_unread(unreadable), *_findings(config, providers)),
        remembered=tuple(known.values()),
    )


def _view(
    provider: Provider, known: Mapping[str, Remembered], used: Mapping[tuple[str, float, int], int], now: float
) -> ProviderView:
    return ProviderView(
        name=provider.name,
        line=provider.line,
        models=dict(provider.models),
        base_url=_without_query(provider.base_url),
        left_out=provider.why_left_out,
        missing=provider.missing,
        rate=tuple(map(str, provider.rates)),
        key_rate=tuple(map(str, provider.key_rates)),
        tokens=tuple(map(str, provider.tokens)),
        burst=provider.burst,
        concurrency=provider.max_in_flight,
        timeout_s=provider.timeout_s,
        keys=tuple(_key_view(key, provider, known) for key in provider.keys),
        uses=tuple(_uses(provider, used, now)),
    )


def _key_view(key: Key, provider: Provider, known: Mapping[str, Remembered]) -> KeyView:
    looks_like = key_shapes.looks_like(key.secret.reveal()) if key.secret else ""
    return KeyView(key.name, key.fingerprint, key.account, looks_like, known.get(identity(key, provider)))


def _remembered(dropped: Dropped) -> Remembered:
    return Remembered(dropped.key, dropped.key_hash, dropped.provider, dropped.fault, dropped.message, dropped.at)


def _uses(provider: Provider, used: Mapping[tuple[str, float, int], int], now: float) -> Iterator[UseView]:
    """The budgets of a provider, its own first, then those of its accounts that were used."""
    accounts = dict.fromkeys(key.account for key in provider.keys)
    scopes: list[tuple[str | None, Rate]] = [(None, rate) for rate in provider.rates]
    scopes += [(account, rate) for account in accounts for rate in provider.key_rates]
    for account, rate in scopes:
        count = used.get((scope_of(provider, account), rate.period_s, int(now // rate.period_s)), 0)
        if not rate.is_paced and (count or account is None):
            yield UseView(str(rate), count, max(0, int(rate.amount) - count), account or "")


def _without_query(url: str | None) -> str | None:
    """An address without what follows a `?`; the file may hold none, but not every Config comes from a file."""
    return url.partition("?")[0].partition("#")[0] if url else None


def _findings(config: Config, views: Sequence[ProviderView]) -> Iterator[Finding]:
    yield from _who_runs(config)
    for provider, view in zip(config.providers, views, strict=True):
        yield from _of_provider(provider, view)
    yield from _shared(config)


def _unread(why: str) -> Iterator[Finding]:
    if why:
        yield Finding(Level.WARNING, "memory_unreadable", "", f"what earlier runs learnt is not known: {why}")


def _who_runs(config: Config) -> Iterator[Finding]:
    """What an evaluation would run against now."""
    if config.rehearse == "always":
        yield Finding(Level.NOTE, "rehearses", "", "rehearse: always, so every run uses simulated vendors")
    elif config.wants_rehearsal:
        message = "no key is set, so a run uses simulated vendors (rehearse: when-no-keys); set a key to use real ones"
        yield Finding(Level.NOTE, "rehearses", "", message)
    elif not config.usable:
        message = "no provider can be used and rehearse is never: a run would stop at once; set a key"
        yield Finding(Level.PROBLEM, "nobody_serves", "", message)


def _of_provider(provider: Provider, view: ProviderView) -> Iterator[Finding]:
    if not provider.enabled:
        yield _finding(provider, Level.NOTE, "left_out", "left out: enabled: false")
        return
    if not provider.keys:
        names = ", ".join(provider.missing)
        yield _finding(provider, Level.NOTE, "left_out", f"left out: none of its keys is set; set {names}")
    elif provider.missing:
        names = ", ".join(provider.missing)
        yield _finding(provider, Level.WARNING, "not_set", f"{names} is not set; it runs with its other keys")
    if provider.keys_from:
        yield _finding(provider, Level.NOTE, "usual_name", provider.keys_from)
    yield from _unread_variables(provider)
    yield from _packages(provider)
    yield from pace_findings(provider)
    yield from _unencrypted(provider)
    for key, key_view in zip(provider.keys, view.keys, strict=True):
        yield from _of_key(provider, key, key_view)


def _unencrypted(provider: Provider) -> Iterator[Finding]:
    parts = urlsplit(provider.base_url or "")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and any(key.secret for key in provider.keys):
        message = "base_url is http, so its keys travel unencrypted; use https, except on a network of your own"
        yield _finding(provider, Level.WARNING, "unencrypted", message)


def _of_key(provider: Provider, key: Key, view: KeyView) -> Iterator[Finding]:
    if key.secret is None:
        return
    if remembered := view.remembered:
        message = (
            f"dropped by an earlier run as {remembered.fault}, and left out since; "
            f"`router check --live` asks it again, `router check --forget {key.name}` forgets it"
        )
        yield Finding(Level.PROBLEM, "dropped", key.name, message, line=provider.line or None)
    if shape := _shape(provider, key.secret.reveal()):
        level, code, message = shape
        yield Finding(level, code, key.name, message, line=provider.line or None)


def _shape(provider: Provider, secret: str) -> tuple[Level, str, str] | None:
    """What a key's looks say against it."""
    meant, seen = key_shapes.vendor_of(provider), key_shapes.looks_like(secret)
    if meant and key_shapes.is_placeholder(secret):
        return Level.PROBLEM, "placeholder", "is the text of an example, not a key; put the real key there"
    if seen and meant and seen != meant.name:
        begins = key_shapes.beginning_of(secret)
        return Level.PROBLEM, "other_vendor", f"looks like a key of {seen} ({begins}…), but goes to {meant.name}"
    if meant and meant.begins and not secret.startswith(meant.begins):
        message = f"does not look like one of {meant.name}'s keys, which begin with {' or '.join(meant.begins)}"
        return Level.WARNING, "odd_key", message
    return None


def _shared(config: Config) -> Iterator[Finding]:
    """Accounts that stand under several providers, said once each."""
    for holders in shared(provider for provider in config.providers if provider.enabled).values():
        (first, _), *_ = holders
        names = " and ".join(key.name for _, key in holders)
        message = (
            f"{names} are one account: its rests, its key_rate and its daily counts are shared; rate and tokens hold "
            "for each provider separately, so what the account is granted in total goes under key_rate"
        )
        yield _finding(first, Level.NOTE, "one_account", message)


def _unread_variables(provider: Provider) -> Iterator[Finding]:
    """Variables that other tools would use and this file does not name."""
    option = {"API_KEY": "keys", "BASE_URL": "base_url", "API_BASE": "base_url"}
    for name in provider.unread:
        end = "_".join(name.split("_")[-2:])
        if end == "API_KEY" and provider.keys:
            continue
        place = (
            "headers: {OpenAI-Project: …}" if end == "PROJECT_ID" else f"{option.get(end, 'organization')}: ${{{name}}}"
        )
        message = f"{name} is set but has no effect, since the file does not name it; to use it, write {place}"
        yield _finding(provider, Level.WARNING, "not_read", message)


def _packages(provider: Provider) -> Iterator[Finding]:
    for vendor in dict.fromkeys(of_prefix(prefix_of(model)) for model in provider.models.values()):
        if vendor and vendor.package and not _is_installed(vendor.package):
            message = f"the package {vendor.package} is not installed: pip install 'router[{vendor.extra}]'"
            yield _finding(provider, Level.PROBLEM, "no_package", message)


def _is_installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def _finding(provider: Provider, level: Level, code: str, message: str) -> Finding:
    return Finding(level, code, provider.name, message, line=provider.line or None)
