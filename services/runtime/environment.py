"""Environment variables for what shares a machine with other processes of ours."""

SHARED_MACHINE = {
    # Threads of libgomp spin for a while before they sleep when they wait for each other. Where another process holds
    # one of the cores, the one that spins waits for one that cannot run: beside two busy processes a step of two
    # threads took twelve times as long as alone. So few turns are enough when alone; beside two others it is three
    # times.
    "GOMP_SPINCOUNT": "5000",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
