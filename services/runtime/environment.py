"""Environment variables for what shares a machine with other processes of ours."""

SHARED_MACHINE = {
    # Threads of libgomp spin for a millisecond before they sleep while they wait for each other. As soon as another
    # process holds one of the cores, the one that spins waits for one that cannot run: beside two busy processes a step
    # of two threads took ten times as long as alone. This many turns are some 20 microseconds, and enough when alone.
    "GOMP_SPINCOUNT": "5000",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
