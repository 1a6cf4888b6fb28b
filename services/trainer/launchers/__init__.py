"""Ways to start a worker: `local` is a subprocess of the control plane's machine."""
