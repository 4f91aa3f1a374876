"""Settings that can't be followed are told by name, all at once, without their values."""

import sys

import pytest

from callmq_worker.adapters.otel import TracingSettingsError, build_provider


def test_grpc_is_missed_by_name(otel, monkeypatch):
    otel(EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", EXPORTER_OTLP_TRACES_PROTOCOL="grpc")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc", None)
    with pytest.raises(TracingSettingsError, match="opentelemetry-exporter-otlp-proto-grpc") as caught:
        build_provider("callmq", "1")
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" in str(caught.value)


def test_all_wrong_settings_are_told_at_once_without_their_values(otel):
    wrong = {
        "TRACES_EXPORTER": "otlp,canary",
        "EXPORTER_OTLP_PROTOCOL": "canary",
        "EXPORTER_OTLP_ENDPOINT": "canary:4318",
        "EXPORTER_OTLP_TIMEOUT": "canary",
        "EXPORTER_OTLP_TRACES_COMPRESSION": "canary",
        "TRACES_SAMPLER": "canary",
        "BSP_MAX_QUEUE_SIZE": "0",
        "BSP_SCHEDULE_DELAY": "canary",
    }
    otel(**wrong)
    with pytest.raises(TracingSettingsError) as caught:
        build_provider("callmq", "1")
    assert sorted(told.split(":")[0] for told in caught.value.problems) == sorted(f"OTEL_{name}" for name in wrong)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"TRACES_SAMPLER": "traceidratio", "TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG"),
        ({"BSP_MAX_QUEUE_SIZE": "10"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    ],
)
def test_settings_that_contradict_each_other(otel, settings, name):
    otel(TRACES_EXPORTER="console", **settings)
    with pytest.raises(TracingSettingsError, match=name):
        build_provider("callmq", "1")
