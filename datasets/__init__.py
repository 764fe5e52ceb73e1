"""From model folders to batches: find and pose subjects, render them, pack shards, load them, check, exchange data."""
