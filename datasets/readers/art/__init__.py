"""Paintings and photographs with what people wrote about them, every annotator kept: one file a family."""
