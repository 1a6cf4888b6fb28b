"""The process that trains: one attempt of one run, stage by stage."""
