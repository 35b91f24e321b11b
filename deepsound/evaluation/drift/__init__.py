"""Drift: how a collection differs from the tracks that a model was trained on, before anything is labelled.

A bundle keeps a reference with bins by the quantiles of the training tracks; the tracks of a collection are
counted, part by part, in these bins, and compared with it. Tracks of one artist count as one.
"""
