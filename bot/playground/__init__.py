"""A local Discord in the browser, beside which the real bot runs: `./run try`.

protocol/    Discord's gateway and REST on loopback, and people who type and click; the tests use it too
drawing.py   messages as HTML
"""
