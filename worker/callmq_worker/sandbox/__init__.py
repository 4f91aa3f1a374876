"""The stand-in for the endpoint: calls with states, faults on demand, a journal of what was received."""

from callmq_worker.sandbox.faults import Fault, read_fault
from callmq_worker.sandbox.server import Sandbox
from callmq_worker.sandbox.settings import SandboxSettings

__all__ = ["Fault", "Sandbox", "SandboxSettings", "read_fault"]
