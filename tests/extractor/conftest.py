"""Property tests try the same cases on every machine, however slow it is, and leave no folder behind."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "extractor",
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("extractor")
