# SPDX-License-Identifier: Apache-2.0
"""Speed of the codec and of what steers it, beside its peers: see README.md in this folder."""
