"""A real server and real workers on one machine: what shares its devices, and what happens when they die."""
