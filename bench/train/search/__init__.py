"""The search for a network: evolution over block type, number of blocks and channels."""
