"""Settings: every one of them, from variable, secret file or TOML; every error named, all at once, without values."""

from __future__ import annotations

import pytest

from callmq_contracts.leniency import ALL_LENIENCIES
from callmq_worker.core.flow import Pace, Rates
from callmq_worker.settings import SettingsError, load, state_dir

CANARY = "canary-7d2e-secret"
LEAST = {
    "CALLMQ_AMQP_URL": f"amqp://user:{CANARY}@host:5672/vhost",
    "SIGNALWIRE_SPACE": "example",
    "SIGNALWIRE_PROJECT_ID": "project",
    "SIGNALWIRE_API_TOKEN": CANARY,
    "HOME": "/nobody",
}
ENDPOINT = "https://example.signalwire.com/api/calling/calls"


def settings(without: tuple[str, ...] = (), **changes: str):
    return load({k: v for k, v in {**LEAST, **changes}.items() if k not in without})


def errors(without: tuple[str, ...] = (), **changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(without, **changes)
    assert CANARY not in str(caught.value)
    return caught.value.errors


def names(without: tuple[str, ...] = (), **changes: str) -> list[str]:
    return [e.split(":")[0] for e in errors(without, **changes)]


@pytest.fixture
def toml(tmp_path):
    def written(text: str) -> dict[str, str]:
        path = tmp_path / "callmq.toml"
        path.write_text(text)
        return {"CALLMQ_CONFIG": str(path)}

    return written


# Defaults, and all there is


def test_the_defaults_of_the_description():
    s = settings()
    assert s.ledger_url == "sqlite:////nobody/.local/state/callmq/callmq.db"
    assert (s.prefix, s.concurrency, s.http_deadline, s.lease, s.grace) == ("callmq", 100, 30, 45, 35)
    assert (s.rates.usual.rate, s.max_attempts, s.probe_interval, s.retention) == (1, 8, 15, 14 * 86_400)
    assert ",".join(t.name for t in s.tiers) == "1s,5s,30s,2m,10m,1h"
    assert (s.health_addr, s.leniencies, s.log_level, s.log_format) == (
        "127.0.0.1:8087",
        ALL_LENIENCIES,
        "info",
        "auto",
    )
    assert [(a.name, a.url, a.project_id, a.api_token) for a in s.accounts] == [
        ("default", ENDPOINT, "project", CANARY)
    ]


CASES = [
    ("CALLMQ_LEDGER_URL", "sqlite:///x.db", "ledger_url", "sqlite:///x.db", "mysql://x"),
    ("CALLMQ_LEDGER_URL", "postgresql://h/d", "ledger_url", "postgresql://h/d", "sqlite:x.db"),
    ("CALLMQ_LEDGER_URL", "redis://h/0", "ledger_url", "redis://h/0", "memcached://h"),
    ("CALLMQ_PREFIX", "shop_1-a", "prefix", "shop_1-a", "a.b"),
    ("CALLMQ_CONCURRENCY", "7", "concurrency", 7, "1.5"),
    ("CALLMQ_HTTP_DEADLINE", "10s", "http_deadline", 10.0, "0"),
    ("CALLMQ_LEASE", "60", "lease", 60.0, "901"),
    ("CALLMQ_GRACE", "0", "grace", 0.0, "-1"),
    ("CALLMQ_DIAL_RATE", "0.5", "rates", Rates(Pace(0.5)), "fast"),
    ("CALLMQ_FROM_RATE", "0.1", "rates", Rates(Pace(1.0, 0.1)), "-1"),
    ("CALLMQ_CONTROL_SHARDS", "64", "control_shards", 64, "65"),
    ("CALLMQ_DIAL_LANES", "32", "dial_lanes", 32, "0"),
    ("CALLMQ_MAX_ATTEMPTS", "1", "max_attempts", 1, "0"),
    ("CALLMQ_PROBE_INTERVAL", "0.5", "probe_interval", 0.5, "nan"),
    ("CALLMQ_RETENTION", "2000000", "retention", 2_000_000.0, "inf"),
    ("CALLMQ_HEALTH_ADDR", "off", "health_addr", "off", None),
    ("CALLMQ_LENIENCIES_OFF", "update_status_only", "leniencies", ALL_LENIENCIES - {"update_status_only"}, "all"),
    ("CALLMQ_LOG_LEVEL", "DEBUG", "log_level", "debug", "loud"),
    ("CALLMQ_LOG_FORMAT", "text", "log_format", "text", "xml"),
]


@pytest.mark.parametrize(("name", "text", "attribute", "value", "bad"), CASES, ids=[c[0] for c in CASES])
def test_each_setting_by_variable_file_and_toml(name, text, attribute, value, bad, tmp_path, toml):
    assert getattr(settings(**{name: text}), attribute) == value
    path = tmp_path / "secret"
    path.write_text(f"  {text}\n")
    assert getattr(settings(**{f"{name}_FILE": str(path)}), attribute) == value
    short = name.removeprefix("CALLMQ_").lower()
    assert getattr(settings(**toml(f'[callmq]\n{short} = "{text}"')), attribute) == value
    assert getattr(settings(**toml(f'{short} = "{text}"')), attribute) == value
    if bad is not None:
        assert names(**{name: bad}) == [name]


@pytest.mark.parametrize("value", ["", " ", ",", "1s,x", "5s,1s", "1s,1s"])
def test_tiers_are_ascending_whole_times(value):
    if value:
        assert names(CALLMQ_RETRY_TIERS=value) == ["CALLMQ_RETRY_TIERS"]
    else:
        assert len(settings(CALLMQ_RETRY_TIERS=value).tiers) == 6  # empty is not set


def test_numbers_may_be_numbers_in_toml(toml):
    s = settings(**toml("[callmq]\nconcurrency = 5\nhttp_deadline = 2.5\n"))
    assert (s.concurrency, s.http_deadline, s.lease) == (5, 2.5, 17.5)


def test_a_variable_wins_over_toml(toml):
    assert settings(**toml("concurrency = 5"), CALLMQ_CONCURRENCY="6").concurrency == 6


@pytest.mark.parametrize("value", ["true", '["1s", "5s"]', "2026-11-22", "{a = 1}"])
def test_a_toml_value_of_a_wrong_type_is_an_error_and_not_the_default(value, toml):
    assert names(**toml(f"[callmq]\nretry_tiers = {value}")) == ["CALLMQ_RETRY_TIERS"]


def test_toml_that_is_no_table_is_an_error(toml):
    assert names(**toml("callmq = 5")) == ["callmq"]
    assert names(**toml("accounts = 5")) == ["accounts"]
    assert names(**toml(f"= {CANARY}")) == ["CALLMQ_CONFIG"]
    assert names(CALLMQ_CONFIG="/nobody/has/this") == ["CALLMQ_CONFIG"]


# All errors at once


def test_every_error_is_named_at_once():
    bad = {name: bad for name, *_, bad in CASES if bad is not None}
    told = names(("CALLMQ_AMQP_URL", "SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN"), **bad)
    expected = {*bad, "CALLMQ_AMQP_URL", "SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN"}
    assert sorted(told) == sorted(expected)


def test_a_verb_that_needs_no_endpoint_asks_for_none():
    s = load({"CALLMQ_AMQP_URL": "amqp://h", "HOME": "/nobody"}, broker_only=True)
    assert s.accounts == ()


def test_nothing_secret_is_in_a_repr():
    assert CANARY not in repr(settings())
    assert "project" not in repr(settings().accounts)


# Secrets by file


def test_a_secret_comes_from_its_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-file\n")
    s = settings(("SIGNALWIRE_API_TOKEN",), SIGNALWIRE_API_TOKEN_FILE=str(path))
    assert s.accounts[0].api_token == "from-file"


def test_variable_and_file_together_are_an_error():
    assert names(SIGNALWIRE_API_TOKEN_FILE="/nobody/has/this") == ["SIGNALWIRE_API_TOKEN"]


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"], ids=["absent", "empty", "blank", "not text"])
def test_an_unusable_secret_file_is_an_error(content, tmp_path):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    told = names(("SIGNALWIRE_API_TOKEN",), SIGNALWIRE_API_TOKEN_FILE=str(path))
    assert told[-1] == "SIGNALWIRE_API_TOKEN"


# Accounts


SECOND = '[accounts.second]\nspace = "other"\nproject_id = "p2"\napi_token = "t2"\n'


def test_more_accounts_come_from_the_file(toml, tmp_path):
    path = tmp_path / "token"
    path.write_text("t3\n")
    third = f'[accounts."third.1"]\nspace = "x.example.com"\nproject_id = "p3"\napi_token_file = "{path}"\n'
    found = {a.name: (a.url, a.project_id, a.api_token) for a in settings(**toml(SECOND + third)).accounts}
    assert found == {
        "default": (ENDPOINT, "project", CANARY),
        "second": ("https://other.signalwire.com/api/calling/calls", "p2", "t2"),
        "third.1": ("https://x.example.com/api/calling/calls", "p3", "t3"),
    }


SIGNALWIRE = ("SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN")


def test_the_default_account_may_come_from_the_file_but_not_from_both(toml):
    default = toml(SECOND.replace("second", "default"))
    assert [a.name for a in settings(SIGNALWIRE, **default).accounts] == ["default"]
    assert names(**default) == ["accounts.default"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accounts.second = 5", ["accounts.second"] * 3),
        ("[accounts.second]", ["accounts.second"] * 3),
        (SECOND.replace('"t2"', "5"), ["accounts.second"]),
        (SECOND.replace('"p2"', '""'), ["accounts.second"]),
        (SECOND.replace('"other"', '"o/t@her"'), ["accounts.second"]),
        (SECOND.replace('api_token = "t2"', 'api_token_file = "/nobody/has/this"'), ["accounts.second"] * 2),
        (SECOND.replace("accounts.second", 'accounts."a b"'), ["accounts.a b"]),
    ],
)
def test_what_is_wrong_with_an_account_is_told(text, told, toml):
    assert [n[: len(t)] for n, t in zip(names(**toml(text)), told, strict=True)] == told


# The endpoint


@pytest.mark.parametrize("space", ["example", "example.signalwire.com", "EXAMPLE-1"])
def test_a_space_is_a_name_or_a_host(space):
    host = space if "." in space else f"{space}.signalwire.com"
    assert settings(SIGNALWIRE_SPACE=space).accounts[0].url == f"https://{host}/api/calling/calls"


@pytest.mark.parametrize("space", ["a/b", "user@host", "https://x", "a b", "x:80", "a..b", "-.-", "é", "x" * 64])
def test_a_space_that_names_no_host_is_an_error(space):
    assert names(SIGNALWIRE_SPACE=space) == ["SIGNALWIRE_SPACE"]


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.example.com/calls",
        "https://10.0.0.1:8443/",
        "http://127.0.0.1:8088/x",
        "http://localhost/x",
        "http://[::1]:80/x",
    ],
)
def test_an_endpoint_replaces_the_space_for_all_accounts(url, toml):
    two = settings(("SIGNALWIRE_SPACE",), CALLMQ_ENDPOINT_URL=url, **toml(SECOND.replace('space = "other"\n', "")))
    assert [a.url for a in two.accounts] == [url, url]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x", "ftp://127.0.0.1/x", "https://", "example.com", "https://user:pw@host/x",
        "https://host:99999/x", "https://[::1/x", "http://localhost.example.com/", "https://a..b/x", "https://h/a b",
    ],
)  # fmt: skip
def test_an_endpoint_that_is_not_safe_is_an_error_told_once(url, toml):
    assert names(CALLMQ_ENDPOINT_URL=url, **toml(SECOND)) == ["CALLMQ_ENDPOINT_URL"]


# What two settings say together


def test_a_lease_outlives_the_deadline():
    assert names(CALLMQ_LEASE="30") == ["CALLMQ_LEASE"]
    assert settings(CALLMQ_HTTP_DEADLINE="100").lease == 115


def test_records_outlive_lifetimes_retries_and_dead_letters():
    needed = 4 * 3600 + 3600 + 7 * 86_400
    assert settings(CALLMQ_RETENTION=str(needed)).retention == needed
    assert names(CALLMQ_RETENTION=str(needed - 1)) == ["CALLMQ_RETENTION"]
    assert settings(CALLMQ_RETENTION=str(needed - 3000), CALLMQ_RETRY_TIERS="1s,10m").retention == needed - 3000


# The broker


def test_a_cluster_is_one_url_a_host():
    assert settings(CALLMQ_AMQP_URL="amqp://u:p,w@a:1,b/v").amqp_urls == ("amqp://u:p,w@a:1/v", "amqp://u:p,w@b:5672/v")


@pytest.mark.parametrize("url", ["http://h", "amqp://", f"{CANARY}@host", f"amqp://u:{CANARY}@a/v,amqp://b/w"])
def test_a_broker_url_that_is_none_is_an_error(url):
    assert names(CALLMQ_AMQP_URL=url) == ["CALLMQ_AMQP_URL"]


def test_the_state_folder():
    assert str(state_dir({"CALLMQ_STATE_DIR": "/s", "XDG_STATE_HOME": "/x"})) == "/s"
    assert str(state_dir({"XDG_STATE_HOME": "/x", "HOME": "/h"})) == "/x/callmq"
    assert str(state_dir({"HOME": "/h"})) == "/h/.local/state/callmq"
