"""The one error of this package."""


class BrokerError(Exception):
    """A sentence for a person: what could not be had or started, and what to do about it."""
