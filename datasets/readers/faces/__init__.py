"""Facial-expression datasets, cropped or in whole photographs: one file a dataset family.

Not here: detectors and alignment; a face's box and landmarks are read where the dataset states them.
"""
