"""What runs did and why, what differs between them, and what none of them needs any more."""
