"""Benchmarks: each says at its top what it prints. They assert nothing and are no part of the package."""
