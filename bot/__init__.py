"""Everything about Discord. Never imports torch."""
