"""pytrace measured side by side with bpftrace, in one run."""
