"""Describe a folder of shards: what it holds, as a table, JSON, a page, and a card to publish with the data."""
