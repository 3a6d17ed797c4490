# SPDX-License-Identifier: Apache-2.0
"""Systems that look for objects, or label pixels, in a video: F1, bytes, delay and cost of each.

The way through is that of `rdct.evaluation.video`: a `scenario` names a clip, a detector, systems with their
sweeps and a link; `run` plays every system (`systems`) in every setting through the driver of `rdct.offload`
and writes one record for each frame; `summary`, `text` and `plots` read records only. What counts as
found is in `objects`, what it costs in `prices`.
"""
