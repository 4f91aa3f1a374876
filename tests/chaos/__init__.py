"""Real worker processes, a real broker, a real ledger file; faults by a seeded schedule; judged by the promises."""
