"""A run judged on another corpus than its own."""
