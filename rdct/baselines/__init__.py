# SPDX-License-Identifier: Apache-2.0
"""What DDS is compared with (Du et al., SIGCOMM 2020, section 5), each a pair of machines of the same roles.

================  ==========================================================================================
uniform           every frame, or every n-th, as JPEG or as an rdct stream; also reduced
h264              the same in chunks of H.264
awstream          a profile, the settings worth having, and the one the link has room for
glimpse           frames that differ much from the last one sent; a tracker between them
vigil             frames in which a small detector counts more or fewer objects than before
cloudseg          reduced frames; the server enlarges them by super-resolution
camera_only       what a model on the device finds; nothing is sent

sending           what the devices have in common: frames whose Results wait for answers
tracked           what those with a tracker have in common
answering         what the servers have in common: pictures in, boxes or labels out
stills            one picture into bytes and back
super_resolution  CloudSeg's network; train_sr trains it
================  ==========================================================================================

Results of detectors are `rdct.offload.Result` with `regions`, those of networks that label pixels with
`labels`.
"""
