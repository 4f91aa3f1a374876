"""What a command costs: callmq beside what one would write or pick instead, on the same job. Figures, never a test."""
