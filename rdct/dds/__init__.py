# SPDX-License-Identifier: Apache-2.0
"""DDS: a coarse picture first; the server then asks for the regions it is unsure of.

Du et al., "Server-Driven Video Streaming for Deep Learning Inference", SIGCOMM 2020.

==========  ================================================================================
feedback    which regions a server wants to see better
grid        from regions to what the codec can send, and the memory of what was sent
edge        the device: stream "low", then the regions asked for as stream "high"
server      the detector's side: first answer, regions, second answer
==========  ================================================================================
"""
