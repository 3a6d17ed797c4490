"""What a codec costs at equal network output: sweeps, records, curves and tables.

Everything here may import every other room; no room imports this one.

>>> from rdct.evaluation import curves
>>> curves.bits_at(rate, accuracy, (0.98,))             # doctest: +SKIP

The way through: a `scenario` names pictures, network and systems; `run` has every system (`codecs`)
code every picture at every point of its dial and writes one record each (`records`); `summary`,
`text` and `plots` read records only.
"""
