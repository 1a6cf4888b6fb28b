"""What policy, reward and reference share: models in memory, batching under a token budget, admission."""
