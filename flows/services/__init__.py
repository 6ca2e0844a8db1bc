"""What runs in the background of one machine: a Prefect server, a worker for each device, one for the CPU."""
