"""PPO with a KL penalty against real policy, reward and reference services."""
