"""What holds for all tests.

`hypothesis` sets no limits of time: a machine that has other things to do is no fault of the code.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
