"""The worker: consumes call commands, dispatches them once, settles each with one reply."""
