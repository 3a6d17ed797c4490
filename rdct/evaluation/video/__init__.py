"""Systems on a video: what goes up the link for labels on every frame, and how good those labels are.

The way through is that of the stills, with a clip in place of a set of pictures: a `scenario` names a
source, a network, systems and a link; `run` plays every system (`systems`) at every point of its dial through
the driver of `rdct.offload` and writes one record for each frame; `summary` and `text` read records only.
"""
