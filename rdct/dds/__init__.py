# SPDX-License-Identifier: Apache-2.0
"""DDS: a coarse picture first; the server then asks for the regions it is unsure of.

Du et al., "Server-Driven Video Streaming for Deep Learning Inference", SIGCOMM 2020.

===========  ===============================================================================
feedback     which regions a server wants to see better
grid         from regions to what the codec can send, and the memory of what was sent
policy       when the device sends what, and for how long it keeps what
rounds       the device's two rounds, whatever codes the pictures
edge         the device on this codec: stream "low", then the regions asked for as stream "high"
looks        what a model makes of the two pictures: objects, or labels
server       the server on this codec: first answer, regions, second answer
*_h264       the two ends on H.264, chunk by chunk, as in the paper
backends     the two ends by what codes the pictures
===========  ===============================================================================
"""
