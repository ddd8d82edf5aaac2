"""What tests have beside the playground's Discord (bot/playground/protocol): faults, a log, and a contract.

with Standin() as standin:
    ...
    standin.faults.fail("PATCH", "/webhooks/*", status=503)
    standin.requests.to("POST", "/channels/*/messages")
    standin.contract.violations
"""

from .faults import Fault
from .watched import Standin

__all__ = ["Fault", "Standin"]
