"""Smaller weights: pruned and quantized, but for what the outputs would miss.

A graph's constants hold the numbers that the page will compute with, before and after; how they are written
is said by :attr:`GraphModel.encodings`. Importing this package imports nothing heavy: a build that finds its
model in the cache reads what compression cost, and compresses nothing.
"""
