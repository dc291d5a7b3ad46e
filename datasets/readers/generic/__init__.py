"""Data of any origin, whose meaning a config states: folders, tables, Hugging Face datasets, tars, shards.

Beside these readers lie the parts they are made of (`lines` of a file, `cells` of a line, `columns` to a
record), which readers of datasets that are tables use as well.
"""
