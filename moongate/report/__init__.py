"""What a person sees of a run: the page, its curves, and the contact sheets beside it."""
