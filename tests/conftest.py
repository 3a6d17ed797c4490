# SPDX-License-Identifier: Apache-2.0
"""What all tests share: how hypothesis searches. Nothing here may import torch."""

from hypothesis import HealthCheck, settings

# The same examples in every run, so that a red run can be repeated; `pytest --hypothesis-profile=search`
# looks further.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50, database=None)
settings.register_profile(
    "search", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
