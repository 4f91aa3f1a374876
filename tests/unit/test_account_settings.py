"""What the settings say of accounts: credentials from files, and what restricts an account."""

from __future__ import annotations

import pytest

from callmq_worker.core.denial import Restrictions
from callmq_worker.core.hosts import Hosts
from callmq_worker.core.reach import Numbers
from callmq_worker.settings import SettingsError, load

LEAST = {
    "CALLMQ_AMQP_URL": "amqp://host",
    "SIGNALWIRE_SPACE": "example",
    "SIGNALWIRE_PROJECT_ID": "project",
    "SIGNALWIRE_API_TOKEN": "token",
    "HOME": "/nobody",
}
NORTH = '[accounts.north]\nspace = "north"\nproject_id = "p"\napi_token = "t"\n'
WORD = "canary5550100"


@pytest.fixture
def accounts(tmp_path):
    """Read the accounts of a file's text, by name."""

    def read(text: str, **changes: str):
        path = tmp_path / "callmq.toml"
        path.write_text(text)
        environment = {**LEAST, **changes, "CALLMQ_CONFIG": str(path)}
        return {a.name: a for a in load({k: v for k, v in environment.items() if v}).accounts}

    return read


@pytest.fixture
def errors(accounts):
    def read(text: str, **changes: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            accounts(text, **changes)
        assert WORD not in str(caught.value)
        return caught.value.errors

    return read


# Restrictions


def test_an_account_that_says_nothing_is_restricted_by_nothing(accounts):
    assert {a.restrictions for a in accounts(NORTH).values()} == {None}


def test_all_that_can_be_restricted(accounts):
    text = NORTH + (
        'producers = ["billing", "crm"]\nallowed_prefixes = ["+1", "+49"]\ndenied_prefixes = ["+1900"]\n'
        'from_numbers = ["+15550100", "sip:desk@example.com", "1234"]\nallowed_sip_hosts = ["sip.example.com"]\n'
        'allowed_url_hosts = ["example.com", "*.Example.org", "example.net:8443"]\nmax_price_per_minute = 0.05\n'
    )
    assert accounts(text)["north"].restrictions == Restrictions(
        producers=frozenset({"billing", "crm"}),
        numbers=Numbers(frozenset({"+1", "+49"}), frozenset({"+1900"})),
        from_numbers=frozenset({"+15550100", "sip:desk@example.com", "1234"}),
        sip_hosts=Hosts(frozenset({("sip.example.com", 443)})),
        url_hosts=Hosts(frozenset({("example.com", 443), ("example.net", 8443)}), ((".example.org", 443),)),
        max_price_per_minute=0.05,
    )


def test_the_default_account_of_the_environment_is_restricted_in_the_file(accounts):
    found = accounts('[accounts.default]\nproducers = ["billing"]\n')["default"]
    assert (found.project_id, found.api_token) == ("project", "token")
    assert found.restrictions == Restrictions(producers=frozenset({"billing"}))


def test_an_empty_list_allows_nothing(accounts):
    found = accounts(f"{NORTH}producers = []\nallowed_prefixes = []\nallowed_url_hosts = []\n")["north"].restrictions
    assert found == Restrictions(producers=frozenset(), numbers=Numbers(frozenset()), url_hosts=Hosts())


WRONG = [
    *(("allowed_prefixes", f'["+49", "{bad}"]', "[1]") for bad in ("49", "+", "+0", "+1x", "", "+1234567890123456")),
    ("denied_prefixes", f'["{WORD}"]', "[0]"),
    ("denied_prefixes", '"+1900"', ""),
    ("allowed_prefixes", "[1]", "[0]"),
    ("producers", '[""]', "[0]"),
    ("producers", "5", ""),
    *(("from_numbers", f'["{bad}"]', "[0]") for bad in ("15550100", "+0155", "a b", "sip:a b", WORD)),
    *(
        ("allowed_url_hosts", f'["{bad}"]', "")
        for bad in (
            "localhost", "*.com", "*", "*.*.example.com", "a.*.com", "https://example.com", "example.com/x", "10.0.0.1",
            "0x7f.1", "2130706433", "[::1]", "münchen.de", "example.com:0", "example.com:65536", "user@example.com",
            "example.com.", "a..b", "-a.example.com", " example.com",
        )
    ),
    ("allowed_url_hosts", '["a b"]', ""),
    ("allowed_sip_hosts", '["sip.example.com:5060"]', ""),
    *(("max_price_per_minute", bad, "") for bad in ("-0.05", "0", "nan", "inf", "true", '"0.05"', "1001", "[1]")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "where"), WRONG)
def test_what_restricts_nothing_sensible_is_an_error_that_names_its_place(key, value, where, errors):
    [told] = errors(f"{NORTH}{key} = {value}\n")
    assert told.startswith((f"accounts.north.{key}{where}: must be ", f"accounts.north.{key}{where}: must have "))


def test_a_misspelt_restriction_is_an_error_and_restricts_the_default_account_no_less(errors):
    assert errors(f"{NORTH}allowed_prefix = ['+1']\n") == [
        "accounts.north.allowed_prefix: is no setting (in the file that CALLMQ_CONFIG names)."
    ]
    [told] = errors("[accounts.default]\nproducer = ['billing']\n")
    assert told.startswith("accounts.default.producer: ")


# Credentials in files


def test_where_a_credential_was_read_is_known(accounts, tmp_path):
    for name in ("project", "token"):
        (tmp_path / name).write_text(f"of {name}\n")
    project, token = str(tmp_path / "project"), str(tmp_path / "token")
    north = f'[accounts.north]\nspace = "n"\nproject_id_file = "{project}"\napi_token_file = "{token}"\n'
    files = {"SIGNALWIRE_API_TOKEN": "", "SIGNALWIRE_API_TOKEN_FILE": token}
    found = accounts(north, **files)
    assert (found["north"].project_id, found["north"].api_token) == ("of project", "of token")
    assert (found["north"].project_id_file, found["north"].api_token_file) == (project, token)
    assert (found["default"].project_id_file, found["default"].api_token_file) == (None, token)
    assert accounts(NORTH)["north"].api_token_file is None


def test_a_credential_of_the_default_account_may_be_in_a_file_that_the_toml_names(accounts, tmp_path):
    (tmp_path / "token").write_text("t")
    text = f'[callmq]\nsignalwire_api_token_file = "{tmp_path / "token"}"\n'
    found = accounts(text, SIGNALWIRE_API_TOKEN="")["default"]
    assert (found.api_token, found.api_token_file) == ("t", str(tmp_path / "token"))
    assert accounts(text)["default"].api_token_file is None  # the variable wins, and no file is looked at


def test_a_credential_that_is_given_twice_is_an_error(errors):
    [told] = errors(f'{NORTH}api_token_file = "/nobody/has/this"\n')
    assert told.startswith("accounts.north.api_token: is set twice")
