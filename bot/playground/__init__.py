"""A local Discord in the browser, beside which the real bot runs: `./run try`.

    __main__.py   starts all of it: people and places, the bot's process, the browser; ends it again
    server.py     the page's routes, and what people do on it, below the same address as Discord's own
    view.py       what has changed for one person
    drawing.py    messages as HTML
    recording.py  what a browser's microphone gives, as Discord's client would have recorded it
    page/         the page: page.js who and where, messages.js, commands.js, forms.js; words.json in both languages
    protocol/     Discord's gateway and REST on loopback, and people who type and click; the tests use it too

The bot is told two addresses by its settings and knows nothing of this.
"""
