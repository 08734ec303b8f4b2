"""program.json: what it says, how it is made, what must be true of it."""
