"""Drift evidence: a decision on nights of per-case results that stays valid however often one looks.

Pure functions over stored results. From the inside out: `conformal` and `ranks` give the p-value of a block of nights,
`detector` turns the p-values of one stream into evidence, `streams` names the streams and folds a history, `decision`
weighs their evidence and gives the verdict, `slices`, `size`, `pass_rate` and `power` say where, how much, and what
cannot be seen; `betting` is the bound that size and pass rate share.
"""
