"""How weights are stored: one class per type, the layout of planes, the shards."""
