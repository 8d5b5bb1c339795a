"""What `router logs` tells, from the files alone: bans, errors, throttles, advice, and the story of one item."""
