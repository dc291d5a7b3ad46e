"""Photographs and artworks by the emotion they evoke: one file a dataset family.

Not here: faces (`faces`), paintings with people's words (`art`), tables whose meaning a config states
(`generic`).
"""
