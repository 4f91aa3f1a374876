"""Paces and weights in the settings: of all accounts, of one, of a campaign."""

from __future__ import annotations

import pytest

from callmq_worker.core.flow import CampaignPace, Pace
from callmq_worker.settings import SettingsError, load

LEAST = {
    "CALLMQ_AMQP_URL": "amqp://h",
    "SIGNALWIRE_SPACE": "example",
    "SIGNALWIRE_PROJECT_ID": "p",
    "SIGNALWIRE_API_TOKEN": "t",
    "HOME": "/nobody",
}


def settings(**changes: str):
    return load({**LEAST, **changes})


def names(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    return [e.split(":")[0] for e in caught.value.errors]


@pytest.fixture
def toml(tmp_path):
    def written(text: str) -> dict[str, str]:
        path = tmp_path / "callmq.toml"
        path.write_text(text)
        return {"CALLMQ_CONFIG": str(path)}

    return written


def test_accounts_and_campaigns_have_paces_of_their_own(toml):
    s = settings(
        **toml(
            "dial_rate = 2\n[accounts.second]\nspace = 's'\nproject_id = 'p'\napi_token = 't'\nrate = 5\nweight = 3\n"
            "[campaigns.spring]\nrate = 0.5\n[campaigns.'late summer']\nweight = 4\n"
        )
    )
    assert s.account_names == ("default", "second")
    assert (s.rates.of("default"), s.rates.of("second")) == (Pace(2.0), Pace(5.0, 0.0, 3.0))
    assert s.rates.campaign("spring") == CampaignPace(0.5)
    assert s.rates.campaign("late summer") == CampaignPace(0.0, 4.0)
    assert s.rates.campaign("another") == CampaignPace()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[campaigns.a]\nweight = 0\n", "campaigns.a.weight"),
        ("[campaigns.a]\nweight = 1e-9\n", "campaigns.a.weight"),  # what has a weight has turns, so none starves
        ("[campaigns.a]\nweight = nan\n", "campaigns.a.weight"),
        ("[campaigns.a]\nrate = inf\n", "campaigns.a.rate"),
        ("dial_rate = 'nan'\n", "CALLMQ_DIAL_RATE"),
        ("from_rate = -0.5\n", "CALLMQ_FROM_RATE"),
        ("[campaigns.a]\nrate = -1\n", "campaigns.a.rate"),
        ("[campaigns.a]\npace = 1\n", "campaigns.a.pace"),
        ("campaigns = 3\n", "campaigns"),
        ("[accounts.x]\nspace = 's'\nproject_id = 'p'\napi_token = 't'\nweight = 0\n", "accounts.x.weight"),
        ("[accounts.x]\nspace = 's'\nproject_id = 'p'\napi_token = 't'\nrate = 'fast'\n", "accounts.x.rate"),
        ("[accounts.7]\nspace = 's'\nproject_id = 'p'\napi_token = 't'\n", "accounts.7"),
    ],
)
def test_paces_and_weights_that_can_not_be_are_named_and_so_none_sums_to_nothing(text, named, toml):
    assert names(**toml(text)) == [named]
