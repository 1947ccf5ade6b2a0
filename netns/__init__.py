"""The IPv4-only network namespace: wanted state, plan, apply, enter. It knows nothing of speed tests."""
