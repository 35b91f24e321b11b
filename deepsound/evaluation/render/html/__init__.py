"""Scorecards: one HTML page each that needs nothing but itself, built of pieces that any page can use.

:mod:`inline_svg` puts the figures of :mod:`deepsound.evaluation.render.figures` into a page,
:mod:`players` makes tracks heard, :mod:`sections` makes the parts of a page from metrics,
reliabilities and audits, and :mod:`page` puts them together. The page of a scored collection is :mod:`collection`,
with parts of its own (:mod:`collection_parts`, :mod:`comparison`). Whatever text comes from a collection is
escaped, by the template or by the writer of the SVG.
"""
