"""The error of the broker part."""


class BrokerError(Exception):
    """A sentence for a person: what could not be had or started, and what to do about it."""
