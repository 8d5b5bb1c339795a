"""Which proxy the environment names for an address; asked once, since it costs more than a call."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from router.errors import ConfigError


def proxy_for(url: URL) -> URL | None:
    """The proxy for a URL by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY or the system's settings; None for none.

    This machine itself is always reached directly, as Go's and Chromium's clients do it. Raises ConfigError for a
    proxy that does not speak HTTP.
    """
    host = url.host or ""
    if _is_this_machine(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    named = getproxies()
    address = named.get(url.scheme) or named.get("all")
    if not address:
        return None
    proxy = URL(address if "://" in address else f"http://{address}")
    if proxy.scheme not in {"http", "https"}:
        raise ConfigError(
            f"the environment names the proxy {proxy.scheme}://{proxy.host} for {host}, but only http proxies can be"
            f" used: name one in {url.scheme.upper()}_PROXY, or add {host} to NO_PROXY to go without"
        )
    return proxy


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
