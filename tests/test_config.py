"""`load`: what a file declares, and how each mistake is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.loading import load, schema
from router.config.models import Config, Key, Price, Provider, Secret
from router.config.schema import IN_DEFAULTS, OF_FILE, OF_PROVIDER
from router.errors import ConfigError
from router.rates import Rate

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "providers.yaml"


def read(file: Path, text: str, **environ: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def one(file: Path, options: str, **environ: str) -> Provider:
    """The provider `a` with these further options in flow style."""
    return read(file, f"providers: {{a: {{model: a/b, {options}}}}}", **environ).providers[0]


def refusal(file: Path, text: str, **environ: str) -> list[str]:
    """The lines of the refusal, the file's name cut off."""
    with pytest.raises(ConfigError) as refused:
        read(file, text, **environ)
    return str(refused.value).replace(f"{file}:", "").splitlines()


WHOLE = """\
rehearse: when-no-keys
defaults: {timeout: 1m30s, attempts: 3, params: {temperature: 0, top_p: 1}, concurrency: 8}
providers:
  openai:
    model: openai/gpt-4o-mini
    base_url: https://example.com/v1
    keys: ${OPENAI_API_KEYS}
    rate: 300/min
    burst: 2
    tokens: 150k/min
    key_rate: 60/min
    concurrency: 64
    timeout: 30s
    params: {temperature: 1}
    transport: litellm
  deepseek:
    models: {small: deepseek/deepseek-flash, thinker: deepseek/deepseek-v4-pro}
    keys:
      - ${DEEPSEEK_KEY_A}
      - key: ${DEEPSEEK_KEY_B}
        account: second
    rate: [5/s, 20000/day]
  local:
    model: hosted_vllm/Qwen/Qwen3-4B
    keys: none
    enabled: false
"""


def test_a_whole_file(file: Path) -> None:
    config = read(file, WHOLE, OPENAI_API_KEYS="one, two", DEEPSEEK_KEY_A="three", DEEPSEEK_KEY_B="four")
    openai = Provider(
        name="openai",
        models={"default": "openai/gpt-4o-mini"},
        keys=(Key("openai#1", Secret("one"), "openai#1"), Key("openai#2", Secret("two"), "openai#2")),
        rates=(Rate(300, 60),),
        base_url="https://example.com/v1",
        burst=2,
        tokens=(Rate(150_000, 60),),
        key_rates=(Rate(60, 60),),
        concurrency=64,
        timeout_s=30,
        params={"temperature": 1, "top_p": 1},
        door="litellm",
        declared_keys=2,
        line=4,
    )
    deepseek = Provider(
        name="deepseek",
        models={"small": "deepseek/deepseek-flash", "thinker": "deepseek/deepseek-v4-pro"},
        keys=(Key("deepseek#1", Secret("three"), "deepseek#1"), Key("deepseek#2", Secret("four"), "second")),
        rates=(Rate(5, 1), Rate(20_000, 86_400)),
        concurrency=8,
        timeout_s=90,
        params={"temperature": 0, "top_p": 1},
        declared_keys=2,
        line=16,
    )
    local = Provider(
        name="local",
        models={"default": "hosted_vllm/Qwen/Qwen3-4B"},
        keys=(Key("local#1", None, "local#1"),),
        rates=(),
        concurrency=8,
        timeout_s=90,
        params={"temperature": 0, "top_p": 1},
        enabled=False,
        line=23,
    )
    assert config == Config(file, (openai, deepseek, local), "when-no-keys", 3)
    assert config.usable == (openai, deepseek)


def test_a_provider_without_keys_is_left_out_and_names_their_variables(file: Path) -> None:
    config = read(file, WHOLE, OPENAI_API_KEYS="")
    assert [provider.missing for provider in config.providers] == [
        ("OPENAI_API_KEYS",),
        ("DEEPSEEK_KEY_A", "DEEPSEEK_KEY_B"),
        (),
    ]
    assert [provider.declared_keys for provider in config.providers] == [2, 2, 1]
    assert [provider.keys == () for provider in config.providers] == [True, True, False]
    assert config.wants_rehearsal


def test_a_list_entry_that_is_not_set_is_skipped_and_the_others_keep_their_numbers(file: Path) -> None:
    deepseek = read(file, WHOLE, DEEPSEEK_KEY_B="four").providers[1]
    assert [key.name for key in deepseek.keys] == ["deepseek#2"]
    assert deepseek.missing == ("DEEPSEEK_KEY_A",)
    assert deepseek.declared_keys == 2
    assert deepseek.is_usable


def test_what_a_file_does_not_say(file: Path) -> None:
    config = read(file, "providers:\n  a:\n    model: a/b\n    keys: k\n")
    assert config == Config(
        file, (Provider("a", {"default": "a/b"}, (Key("a#1", Secret("k"), "a#1"),), (), line=2),), "never", 4
    )


def test_dotenv_beside_the_file_is_read_and_the_environment_wins(file: Path) -> None:
    dotenv = "A=from-file\nB='two words'\nexport C=from-file\nD=\n"
    (file.parent / ".env").write_text(dotenv, encoding="utf-8")
    options = "keys: ['${A}', '${C}', '${D:-given}'], params: {user: '${B}'}"
    provider = one(file, options, A="from-environment")
    secrets = [key.secret for key in provider.keys]
    assert secrets == [Secret("from-environment"), Secret("from-file"), Secret("given")]
    assert provider.params == {"user": "two words"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param("none", [None], id="none"),
        pytest.param("None", [None], id="none, however it is written"),
        pytest.param("'${UNSET:-none}'", [None], id="none by default"),
        pytest.param("k1", ["k1"], id="literal"),
        pytest.param("'k1, k2,'", ["k1", "k2"], id="several, comma-separated"),
        pytest.param("'your-api-key-here'", ["your-api-key-here"], id="placeholder"),
        pytest.param("'${ONE}'", ["k1"], id="variable"),
        pytest.param("'${TWO}'", ["k1", "k2"], id="variable with two"),
        pytest.param("['${ONE}', k3]", ["k1", "k3"], id="list"),
        pytest.param("[{key: '${TWO}', account: x}]", ["k1", "k2"], id="two keys of one account"),
        pytest.param("'pre-${ONE}'", ["pre-k1"], id="variable inside a text"),
        pytest.param("'${NUMBER}'", ["12345"], id="a key of digits"),
    ],
)
def test_forms_of_keys(file: Path, keys: str, expected: list[str | None]) -> None:
    provider = one(file, f"keys: {keys}", ONE="k1", TWO="k1,k2", NUMBER="12345")
    assert [key.secret and key.secret.reveal() for key in provider.keys] == expected
    assert provider.declared_keys == len(expected)
    assert {key.account for key in provider.keys} <= {"x", "a#1", "a#2"}


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        pytest.param("timeout: 2.5", "timeout_s", 2.5, id="timeout in seconds"),
        pytest.param("timeout: 1m30s", "timeout_s", 90.0, id="timeout as a duration"),
        pytest.param("rate: 0.5/s", "rates", (Rate(1, 2),), id="half a call a second"),
        pytest.param("rate: '${RATE}'", "rates", (Rate(7, 1),), id="rate from a variable"),
        pytest.param("burst: '${N}'", "burst", 3, id="number from a variable"),
        pytest.param("enabled: '${OFF}'", "enabled", False, id="boolean from a variable"),
        pytest.param("rate: 1/min, burst: 1", "burst", 1, id="one at once at one a minute"),
        pytest.param("params: {stop: [1, {b: null}]}", "params", {"stop": [1, {"b": None}]}, id="nested params"),
        pytest.param("params: {top_p: '${T}'}", "params", {"top_p": 0.5}, id="number in params from a variable"),
        pytest.param("headers: {X-Title: eval, X-N: 5}", "headers", {"X-Title": "eval", "X-N": "5"}, id="headers"),
        pytest.param("headers: {X-A: 'Bearer ${ON}'}", "headers", {"X-A": "Bearer on"}, id="header of a variable"),
        pytest.param("organization: org-1", "headers", {"OpenAI-Organization": "org-1"}, id="organisation"),
        pytest.param("price: {input: 0.15, output: 1}", "price", Price(0.15, 1.0), id="price"),
        pytest.param(
            "price: {output: 1, cached: 0.05, input: 0.15}", "price", Price(0.15, 1.0, 0.05), id="price with cached"
        ),
        pytest.param("base_url: 'http://127.0.0.1:8000/v1'", "base_url", "http://127.0.0.1:8000/v1", id="loopback"),
    ],
)
def test_values(file: Path, option: str, field: str, value: object) -> None:
    provider = one(file, f"keys: k, {option}", RATE="7/s", N="3", OFF="false", ON="on", T="0.5")
    assert getattr(provider, field) == value


def test_an_unset_variable_of_a_provider_without_keys_is_only_noted(file: Path) -> None:
    provider = one(file, "keys: '${K}', base_url: '${URL}'")
    assert provider.missing == ("K", "URL")
    assert provider.base_url is None


A = "providers:\n  a:\n    model: a/b\n    keys: k\n    "
ELSEWHERE = "providers:\n  a: {model: a/b, keys: k1}\n  b: {model: a/b, keys: k2}\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        # names
        pytest.param(A + "rte: 5/s", "5:5", "'rte' is not an option of a; did you mean rate?", id="unknown option"),
        pytest.param(A + "Rate: 5/s", "5:5", "did you mean rate?", id="option in capitals"),
        pytest.param(A + "rpm: 5", "5:5", "did you mean rate?", id="another tool's name"),
        pytest.param(A + "api_base: x", "5:5", "did you mean base_url?", id="another tool's name for the address"),
        pytest.param(A + "attempts: 3", "5:5", "attempts belongs under defaults", id="option of another place"),
        pytest.param(A + "zzz: 3", "5:5", "expected one of model, models, base_url", id="name near nothing"),
        pytest.param("provider: {}\n" + ELSEWHERE, "1:1", "did you mean providers?", id="unknown at the top"),
        pytest.param("defaults: {atempts: 3}\n" + ELSEWHERE, "1:12", "did you mean attempts?", id="in defaults"),
        pytest.param(
            "defaults: {rate: 3/s}\n" + ELSEWHERE, "1:12", "rate belongs under a provider", id="rate in defaults"
        ),
        pytest.param(A + "keys: k", "5:5", "'keys' stands twice; it stands first at 4:5", id="option twice"),
        pytest.param(ELSEWHERE + "  a: {model: a/b, keys: k3}", "4:3", "first at 2:3", id="provider twice"),
        pytest.param(ELSEWHERE + "providers: {}", "4:1", "first at 1:1", id="providers twice"),
        pytest.param("providers: {a,b: {model: a/b, keys: k}}", "1:14", "a is nothing", id="comma in a name"),
        pytest.param(
            "providers: {'a#1': {model: a/b, keys: k}}", "1:13", "'a#1'; expected a name of", id="sign in a name"
        ),
        pytest.param("providers: {'': {model: a/b, keys: k}}", "1:13", "expected a name of", id="empty name"),
        # the file as a whole
        pytest.param("", "1:1", "the file holds nothing", id="empty file"),
        pytest.param("- a", "1:1", "the file holds a list", id="file of a list"),
        pytest.param("hello", "1:1", "the file holds a text", id="file of a text"),
        pytest.param("rehearse: always", "1:1", "providers is missing", id="no providers"),
        pytest.param("providers: {}", "1:12", "providers is empty", id="empty providers"),
        pytest.param("providers:", "1:11", "providers is nothing", id="providers without a value"),
        pytest.param("providers: [a]", "1:12", "providers is a list", id="providers as a list"),
        pytest.param("providers: {a: }", "1:15", "a is nothing; expected a mapping with model", id="empty provider"),
        pytest.param("defaults: 3\n" + ELSEWHERE, "1:11", "defaults is '3' (a number)", id="defaults as a number"),
        # models
        pytest.param(
            "providers: {a: {keys: k}}", "1:13", "a has no model; expected model: with LiteLLM's", id="no model"
        ),
        pytest.param(A + "models: {x: a/c}", "5:13", "a has both model and models", id="model and models"),
        pytest.param(
            "providers: {a: {model: gpt-4o, keys: k}}", "1:24", "'gpt-4o'; expected LiteLLM's name with", id="no vendor"
        ),
        pytest.param("providers: {a: {model: 4, keys: k}}", "1:24", "'4' (a number)", id="model as a number"),
        pytest.param("providers: {a: {models: {}, keys: k}}", "1:25", "an empty mapping", id="no models"),
        pytest.param(
            "providers: {a: {models: [a/b], keys: k}}", "1:25", "a list; expected names with", id="models list"
        ),
        pytest.param("providers: {a: {models: {x: y}, keys: k}}", "1:29", "openai/gpt-4o-mini", id="models, no vendor"),
        pytest.param('providers: {a: {model: "a/b\\e[2J", keys: k}}', "1:24", "a/b\\x1b[2J", id="escape in a model"),
        pytest.param(
            'providers: {a: {model: a/b, keys: [{key: k, account: "\\u202e"}]}}',
            "1:54",
            "'\\u202e'",
            id="turned",
        ),
        # keys
        pytest.param("providers: {a: {model: a/b}}", "1:13", "a has no keys; expected keys: with", id="no keys"),
        pytest.param("providers: {a: {model: a/b, keys: }}", "1:34", "a.keys is nothing", id="keys without a value"),
        pytest.param("providers: {a: {model: a/b, keys: []}}", "1:35", "a.keys is a list", id="empty list of keys"),
        pytest.param("providers: {a: {model: a/b, keys: {key: k}}}", "1:35", "a.keys is a mapping", id="keys mapping"),
        pytest.param("providers: {a: {model: a/b, keys: 12345}}", "1:35", "a.keys is a number", id="keys as a number"),
        pytest.param("providers: {a: {model: a/b, keys: [[k]]}}", "1:36", "a.keys is a list", id="list in a list"),
        pytest.param("providers: {a: {model: a/b, keys: ','}}", "1:35", "a.keys is without a key", id="only a comma"),
        pytest.param(
            "providers: {a: {model: a/b, keys: [{key: k, acount: x}]}}",
            "1:45",
            "did you mean account?",
            id="key's option",
        ),
        pytest.param(
            "providers: {a: {model: a/b, keys: [{account: x}]}}",
            "1:36",
            "a mapping without key",
            id="account without key",
        ),
        pytest.param(
            "providers: {a: {model: a/b, keys: [{key: k, account: 2}]}}", "1:54", "account: with a text", id="account"
        ),
        pytest.param(
            "providers: {a: {model: a/b, keys: '${A-B}'}}", "1:35", "${NAME} or ${NAME:-default}", id="bad variable"
        ),
        pytest.param(
            "providers: {a: {model: a/b, keys: 'k k'}}",
            "1:35",
            "a#1 contains what no key contains",
            id="space in a key",
        ),
        pytest.param("providers: {a: {model: a/b, keys: 'k，k'}}", "1:35", "a full-width sign", id="full-width comma"),
        pytest.param(
            "providers: {a: {model: a/b, keys: [k, k]}}", "1:39", "a#2 and a#1 (1:36) are the same", id="key twice"
        ),
        pytest.param(A.replace("k\n", "$FOO\n") + "burst: 1", "4:11", "$FOO, which is no", id="no braces"),
        pytest.param(
            A + "headers: {X-A: Bearer $FOO}", "5:20", "expected ${FOO}, with braces", id="no braces in headers"
        ),
        # limits
        pytest.param(A + "rate: 5", "5:11", "'5' (a number); expected a rate such as 5/s", id="rate as a number"),
        pytest.param(A + "rate: fast", "5:11", "'fast'; expected a rate such as 300/min", id="rate as a word"),
        pytest.param(A + "rate: 5/fortnight", "5:11", "expected a rate per s, min, hour or day", id="unknown period"),
        pytest.param(A + "rate: 0/s", "5:11", "expected a rate above zero", id="rate of zero"),
        pytest.param(A + "rate: []", "5:11", "an empty list", id="no rates"),
        pytest.param(A + "rate: [5/s, {x: 1}]", "5:17", "a mapping", id="rate as a mapping"),
        pytest.param(A + f"rate: {'9' * 400}/s", "5:11", "plausible", id="rate beyond numbers"),
        pytest.param(A + "tokens: 5", "5:13", "a.tokens is '5'", id="tokens as a number"),
        pytest.param(A + "key_rate: x", "5:15", "a.key_rate is 'x'", id="key rate as a word"),
        pytest.param(A + "burst: 0", "5:12", "a whole number from 1 up", id="burst of zero"),
        pytest.param(A + "burst: true", "5:12", "'true' (a boolean)", id="burst as a boolean"),
        pytest.param(A + "burst: 1.5", "5:12", "'1.5' (a number)", id="burst as a fraction"),
        pytest.param(
            A + "burst: 5\n    rate: [9/s, 5/s]", "5:12", "less than its smallest rate, 5/s", id="burst as the rate"
        ),
        pytest.param("defaults: {burst: 9}\n" + A + "rate: 5/s", "1:19", "a.burst is 9", id="burst of the defaults"),
        pytest.param(A + "concurrency: -1", "5:18", "a whole number from 1 up", id="negative concurrency"),
        pytest.param(A + "timeout: 0", "5:14", "a time above zero", id="timeout of zero"),
        pytest.param(A + "timeout: soon", "5:14", "such as 30s or 1m30s", id="timeout as a word"),
        pytest.param(A + "timeout: off", "5:14", "'off' (a boolean)", id="timeout as a boolean"),
        pytest.param(
            "defaults: {attempts: 0}\n" + ELSEWHERE, "1:22", "a whole number from 1 up", id="attempts of zero"
        ),
        pytest.param("defaults: {timeout: -1}\n" + ELSEWHERE, "1:21", "a time above zero", id="negative timeout"),
        # the rest
        pytest.param(
            A + "base_url: example.com/v1", "5:15", "an address such as https://", id="address without scheme"
        ),
        pytest.param(A + "base_url: ftp://example.com", "5:15", "an address such as", id="address of ftp"),
        pytest.param(
            A + "base_url: https://x/v1?key=abc", "5:15", "one with a query; expected", id="address with a query"
        ),
        pytest.param(A + "base_url: http://", "5:15", "an address such as", id="address without host"),
        pytest.param(A + "base_url: http://x:99999", "5:15", "an address such as", id="port out of range"),
        pytest.param(A + "base_url: http://[x", "5:15", "an address such as", id="broken IPv6"),
        pytest.param(A + "base_url: https://u:p@x/v1", "5:15", "without a user or password", id="password"),
        pytest.param(A + "base_url: 8000", "5:15", "'8000' (a number)", id="address as a number"),
        pytest.param(A + "base_url: ${URL}", "5:15", "needs the variable URL, which is not set", id="unset variable"),
        pytest.param(A + "transport: aiohttp", "5:16", "'aiohttp'; expected auto or litellm", id="transport"),
        pytest.param(A + "enabled: 'no'", "5:14", "'no'; expected true or false", id="enabled as a text"),
        pytest.param(A + "params: [1]", "5:13", "a list; expected parameters of the model", id="params as a list"),
        pytest.param(A + "params: {api_key: x}", "5:14", "the provider's option keys in", id="key among params"),
        pytest.param(A + "params: {extra_headers: {}}", "5:14", "option headers in", id="headers among params"),
        pytest.param(A + "params: {extra_body: {model: x}}", "5:27", "'extra_body.model'", id="in the body"),
        pytest.param(A + "params: {temprature: 0}", "5:14", "did you mean temperature?", id="unknown parameter"),
        pytest.param(
            A + "params: {aws_region_name: x}", "5:14", "a model of bedrock/", id="another vendor's credential"
        ),
        pytest.param("defaults: {params: {model: x}}\n" + ELSEWHERE, "1:21", "defaults.params holds", id="in defaults"),
        pytest.param(A + "params: {seed: .nan}", "5:20", "finite", id="params that JSON cannot say"),
        pytest.param(A + "max_tokens: 5", "5:5", "write params: {max_tokens: …}", id="parameter beside params"),
        pytest.param(A + "extra_headers: {}", "5:5", "did you mean headers?", id="headers by LiteLLM's name"),
        pytest.param(A + "headers: {Host: x}", "5:15", "headers of your own", id="a header of the request itself"),
        pytest.param(A + "headers: {'a b': x}", "5:15", "headers of your own", id="no header's name"),
        pytest.param(
            A + "headers: {X-A: [1]}", "5:20", "a list; expected a text of plain ASCII", id="header as a list"
        ),
        pytest.param(A + "headers: {X-A: ü}", "5:20", "a text of plain ASCII", id="header beyond ASCII"),
        pytest.param(A + "price: 5", "5:12", "such as {input: 0.15, output: 0.6}", id="price as a number"),
        pytest.param(A + "price: {input: 5}", "5:12", "such as {input: 0.15, output: 0.6}", id="half a price"),
        pytest.param(A + "price: {input: -1, output: x}", "5:20", "from 0 up", id="a price below zero"),
        pytest.param("rehearse: sometimes\n" + ELSEWHERE, "1:11", "when-no-keys, always or never", id="rehearse"),
        pytest.param("rehearse: no\n" + ELSEWHERE, "1:11", "'no' (a boolean)", id="rehearse as a YAML boolean"),
    ],
)
def test_a_mistake_is_refused_at_its_place(file: Path, text: str, place: str, words: str) -> None:
    lines = [line for line in refusal(file, text) if line.startswith(f"{place}: ")]
    assert len(lines) == 1
    assert words in lines[0]


def test_all_mistakes_are_told_in_the_order_of_the_file(file: Path) -> None:
    lines = refusal(file, "rehearse: x\nproviders:\n  a: {model: m, keys: [], rate: [1, 2], brst: 3}\n  b:\n")
    assert [line.split(" ")[0] for line in lines] == ["1:11:", "3:14:", "3:23:", "3:34:", "3:37:", "3:41:", "4:5:"]


def test_more_than_twenty_mistakes_are_counted(file: Path) -> None:
    options = "\n".join(f"    wrong{i}: 1" for i in range(25))
    lines = refusal(file, f"providers:\n  a:\n    model: a/b\n    keys: k\n{options}\n")
    assert len(lines) == 21
    assert lines[-1] == " and 5 more mistakes"


def test_the_same_key_may_stand_in_a_provider_that_is_switched_off(file: Path) -> None:
    text = "providers: {a: {model: a/b, keys: k}, b: {model: a/c, keys: k, enabled: false}}"
    assert len(read(file, text).usable) == 1


def test_one_key_at_one_address_is_one_account(file: Path) -> None:
    text = """\
providers:
  a: {model: openai/x, keys: [k1, {key: k2, account: team}]}
  b: {model: openai/y, base_url: 'https://API.openai.com/v1', keys: k2}
  c: {model: openai/z, base_url: 'https://relay.example/v1', keys: k1}
  d: {model: openai/w, keys: [{key: k1, account: both}, {key: k3, account: both}]}
  e: {model: a/b, keys: none}
  f: {model: a/b, keys: none}
"""
    ids = {key.name: key.account_id for provider in read(file, text).providers for key in provider.keys}
    assert ids["a#2"] == ids["b#1"]
    assert ids["a#1"] == ids["d#1"] == ids["d#2"]
    assert len({ids[name] for name in ("a#1", "a#2", "c#1", "e#1", "f#1")}) == 5
    swapped = text.replace("providers:\n", "").splitlines()[::-1]
    again = {k.name: k.account_id for p in read(file, "\n".join(["providers:", *swapped])).providers for k in p.keys}
    assert again == ids


def test_what_variables_brought_is_remembered_where_it_may_be_secret(file: Path) -> None:
    config = read(
        file,
        "providers: {a: {model: '${M}', keys: '${K}', rate: '${R}', base_url: 'https://x/${ID}/v1', "
        "headers: {X-A: 'Bearer ${TOKEN}'}, params: {user: '${WHO}', seed: 1, stop: [x, '${S}']}}}",
        M="a/b",
        K="key",
        R="5/s",
        ID="acc",
        TOKEN="t",
        WHO="me",
        S="stop",
    )
    assert config.variables == {"K": Secret("key")} | {
        n: Secret(v) for n, v in zip(("ID", "TOKEN", "WHO", "S"), ("acc", "t", "me", "stop"), strict=True)
    }
    filled = config.providers[0].filled_in
    assert filled == {"model", "rate", "base_url", "headers.X-A", "params.user", "params.stop.1"}


def test_a_whole_address_from_a_variable_is_no_secret(file: Path) -> None:
    assert read(file, "providers: {a: {model: a/b, keys: k, base_url: '${U}'}}", U="http://x/v1").variables == {}


@pytest.mark.parametrize(
    ("held", "keys", "usual"),
    [
        pytest.param({"OPENAI_API_KEY": "k"}, ["k"], {"OPENAI_API_KEYS": "OPENAI_API_KEY"}, id="the usual name"),
        pytest.param({"OPENAI_API_KEY": "k,l"}, ["k", "l"], {"OPENAI_API_KEYS": "OPENAI_API_KEY"}, id="with several"),
        pytest.param({"OPENAI_API_KEY": "k", "OPENAI_API_KEYS": "l"}, ["l"], {}, id="the file's own counts"),
        pytest.param(
            {"OPENAI_API_KEY": "k", "OPENAI_API_KEYS": ""}, ["k"], {"OPENAI_API_KEYS": "OPENAI_API_KEY"}, id="empty"
        ),
        pytest.param({"GROQ_API_KEY": "k", "OPENAI_API_KEY": ""}, [], {}, id="none of it"),
    ],
)
def test_the_usual_name_of_a_key_is_read_where_the_plural_is_not_set(
    file: Path, held: dict[str, str], keys: list[str], usual: dict[str, str]
) -> None:
    config = read(file, "providers: {a: {model: openai/b, keys: '${OPENAI_API_KEYS}'}}", **held)
    (provider,) = config.providers
    assert [key.secret and key.secret.reveal() for key in provider.keys] == keys
    assert provider.usual == usual


def test_only_the_usual_form_of_a_name_is_guessed(file: Path) -> None:
    (provider,) = read(file, "providers: {a: {model: openai/b, keys: '${MY_KEYS}'}}", MY_KEY="k").providers
    assert (provider.keys, provider.missing) == ((), ("MY_KEYS",))


def test_variables_that_other_tools_heed_are_noted(file: Path) -> None:
    text = "providers: {a: {model: openai/b, keys: '${MY_KEYS}'}}"
    held = {
        "MY_KEYS": "m",
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": "http://x",
        "OPENAI_ORGANIZATION": "",
        "GROQ_API_KEY": "k",
    }
    assert read(file, text, **held).providers[0].unread == ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    named = "providers: {a: {model: openai/b, keys: '${OPENAI_API_KEY}', base_url: '${OPENAI_BASE_URL}'}}"
    assert read(file, named, **held).providers[0].unread == ()


def test_what_a_variable_holds_is_not_filled_in_again(file: Path) -> None:
    assert "${…} inside a variable" in refusal(file, "providers: {a: {model: a/b, keys: '${K}'}}", K="${J}")[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"providers: {{a: {{model: a/b, keys: [{KEY}, {KEY}]}}}}", id="twice"),
        pytest.param("providers: {a: {model: a/b, keys: ['${K}', '${K}']}}", id="twice from a variable"),
        pytest.param("providers: {a: {model: a/b, keys: '${K} x'}}", id="with a space"),
        pytest.param("providers: {a: {model: '${K}', keys: k}}", id="as a model from a variable"),
        pytest.param("providers: {a: {model: a/b, keys: k, base_url: '${K}'}}", id="as an address from a variable"),
        pytest.param("providers: {a: {model: a/b, keys: k, rate: ['${K}'], timeout: '${K}'}}", id="as limits"),
        pytest.param("providers: {a: {model: a/b, keys: k, params: '${K}', burst: '${K}'}}", id="as params"),
        pytest.param(f"providers: {{a: {{model: {KEY}, keys: k}}}}", id="as a model"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: k, base_url: {KEY}, rate: {KEY}}}}}", id="as other options"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: {{{KEY}: x}}}}}}", id="as a name under keys"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: [{{{KEY}: x}}]}}}}", id="as a name in the list"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: [[{KEY}]]}}}}", id="in a list of lists"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: [{{key: k, account: [{KEY}]}}]}}}}", id="in the account"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: [{{key: [{KEY}]}}]}}}}", id="in a list under key"),
        pytest.param("providers: {a: {model: a/b, keys: '${%s}'}}" % KEY, id="as a variable's name"),  # noqa: UP031
        pytest.param("providers: {a: {model: b, keys: '${X:-%s}', rate: '${X:-%s}'}}" % (KEY, KEY), id="as a default"),  # noqa: UP031
        pytest.param(f"providers: {{a: {{model: a/b, keys: !{KEY} x}}}}", id="as a tag"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: k, {KEY}: x}}}}", id="as an option"),
        pytest.param(f"providers: {{{KEY}: {{model: a/b}}}}", id="as a provider"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: k, params: {{api_key: {KEY}}}}}}}", id="among params"),
        pytest.param(f"{KEY}: 1\n{KEY}: 2", id="as a name twice"),
        pytest.param(f"providers:\n  a:\n    keys: {KEY}\n   model: a/b", id="beside broken YAML"),
        pytest.param(f"providers: {{a: {{model: a/b, keys: [{KEY}, ${{B}}]}}}}", id="in a broken line"),
    ],
)
def test_no_refusal_tells_a_key(file: Path, text: str) -> None:
    said = "\n".join(refusal(file, text, K=KEY))
    assert KEY not in said
    assert KEY[-12:] not in said


class TestTheFileItself:
    def test_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file; tried /.*check --config"):
            load(tmp_path / "nowhere.yaml", {})

    def test_named_by_the_environment(self, file: Path) -> None:
        read(file, ELSEWHERE)
        assert load(None, {"ROUTER_CONFIG": str(file)}).path == file

    def test_the_environment_names_one_that_is_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "gone.yaml"
        with pytest.raises(ConfigError, match=r"gone\.yaml: there is no such file"):
            load(None, {"ROUTER_CONFIG": str(path)})

    def test_none_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError) as refused:
            load(None, {})
        assert str(tmp_path / "providers.yaml") in str(refused.value)
        assert "--config FILE or ROUTER_CONFIG=FILE" in str(refused.value)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="this is a directory"):
            load(tmp_path, {})

    def test_a_device_without_end(self) -> None:
        with pytest.raises(ConfigError, match="/dev/zero: is larger than"):
            load(Path("/dev/zero"), {})

    def test_a_name_that_no_file_can_have(self) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            load(Path("a\0b"), {})

    def test_not_utf8(self, file: Path) -> None:
        file.write_bytes(b"rehearse: never\nproviders: {\xe9: 1}\n")
        with pytest.raises(ConfigError, match=r":2:13: byte 0xe9 is not UTF-8; save the file as UTF-8"):
            load(file, {})

    def test_a_byte_order_mark_is_no_mistake(self, file: Path) -> None:
        file.write_bytes(b"\xef\xbb\xbf" + ELSEWHERE.encode())
        assert len(load(file, {}).providers) == 2

    def test_a_dotenv_that_is_not_utf8(self, file: Path) -> None:
        (file.parent / ".env").write_bytes(b"A=\xff\n")
        with pytest.raises(ConfigError, match=r"\.env:1:3: byte 0xff"):
            read(file, ELSEWHERE)


def test_the_schema_knows_exactly_the_options_that_are_read() -> None:
    properties = schema()["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == [option.name for option in OF_FILE]
    assert list(properties["defaults"]["properties"]) == [option.name for option in IN_DEFAULTS]
    provider = properties["providers"]["additionalProperties"]
    assert list(provider["properties"]) == [option.name for option in OF_PROVIDER]
    assert all(row["description"] for row in provider["properties"].values())
    assert provider["additionalProperties"] is False


SOUP = st.lists(
    st.sampled_from(
        (
            *("providers", "defaults", "rehearse", "model", "keys", "rate", "a/b", "5/s", "${A}", "${", "none", "a"),
            *(": ", ":", "\n", "\n  ", "\n    ", "- ", "{", "}", "[", "]", ", ", "'", '"', "&a ", "*a", "!t ", "\t"),
        )
    ),
    max_size=40,
).map("".join)


@given(st.one_of(st.text(max_size=80).filter(lambda text: text.isprintable() or "\n" in text), SOUP))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(file, {"A": "x"})
    except ConfigError as refused:
        assert str(refused).startswith(str(file))  # noqa: PT017 - many texts are fine, so pytest.raises cannot say it


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
RATES = st.builds(Rate, st.integers(1, 10**6).map(float), st.sampled_from([1.0, 60.0, 3600.0, 86400.0, 7.0]))
LETTERS = st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="$")
PARAMS = st.dictionaries(
    st.sampled_from(["temperature", "user", "stop", "top_k", "seed"]),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(LETTERS, max_size=8),
    max_size=3,
)
DECLARED = st.fixed_dictionaries(
    {"models": st.dictionaries(NAMES, NAMES.map("v/".__add__), min_size=1, max_size=3)},
    optional={
        "rate": st.lists(RATES, min_size=1, max_size=2),
        "tokens": st.lists(RATES, min_size=1, max_size=2),
        "concurrency": st.integers(1, 10**4),
        "timeout": st.floats(0.01, 1e4),
        "params": PARAMS,
        "enabled": st.booleans(),
        "transport": st.sampled_from(["auto", "litellm"]),
    },
)


@given(st.dictionaries(NAMES, DECLARED, min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, declared: dict[str, dict[str, object]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "round.yaml"
    body = {name: {**options, "keys": f"key-of-{name}"} for name, options in declared.items()}
    # JSON is YAML as far as these values go.
    file.write_text(json.dumps({"providers": body}, default=str, ensure_ascii=False), encoding="utf-8")
    config = load(file, {})
    assert [provider.name for provider in config.providers] == list(declared)
    for provider, options in zip(config.providers, declared.values(), strict=True):
        assert provider.models == options["models"]
        assert list(provider.rates) == options.get("rate", [])
        assert list(provider.tokens) == options.get("tokens", [])
        assert provider.concurrency == options.get("concurrency")
        assert provider.timeout_s == options.get("timeout", 120.0)
        assert provider.params == options.get("params", {})
        assert provider.enabled == options.get("enabled", True)
        assert provider.door == options.get("transport", "auto")
        assert provider.keys == (Key(f"{provider.name}#1", Secret(f"key-of-{provider.name}"), f"{provider.name}#1"),)
