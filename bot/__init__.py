"""Segue on Discord: from an attachment to a piece in the channel. It never imports torch."""
