"""The demo, and the broker that it and the tests run against: standard library only, so nothing need be installed."""
