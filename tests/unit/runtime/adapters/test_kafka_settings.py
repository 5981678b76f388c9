"""Where Kafka is, as a person says it: what cannot be meant is refused at the start."""

import pytest

from gristmill.runtime.adapters.kafka_settings import KafkaSettings


@pytest.mark.parametrize(
    "bootstrap", ["localhost:9092", "10.0.0.1:9092, b-1.example.com:9093", "[::1]:9092"]
)
def test_addresses_are_taken(bootstrap: str) -> None:
    assert KafkaSettings(bootstrap=bootstrap).bootstrap == bootstrap


@pytest.mark.parametrize("bootstrap", ["", "nohost", "host:", ":9092", "host:port", "a:1,,b:2"])
def test_what_is_no_address_is_refused(bootstrap: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        KafkaSettings(bootstrap=bootstrap)


@pytest.mark.parametrize("name", ["session_seconds", "transaction_seconds", "commit_seconds"])
@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_seconds_without_end_are_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        KafkaSettings(**{name: seconds})  # type: ignore[arg-type]
