"""Many runs at once: one per subject, or one per setting; what came of each, and of all."""
