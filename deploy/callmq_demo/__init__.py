"""The demo, and the broker that it and the tests run against: that part needs the standard library only."""
