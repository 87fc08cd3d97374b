"""PersonaPacks: `policy.stamp` says what a pack consists of, `controller` makes it so."""
