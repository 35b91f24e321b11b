"""Renderers of a report: each knows the report, and the report knows none of them."""
