"""How the bundled models came to be: rendering, training phase by phase, measured figures."""
