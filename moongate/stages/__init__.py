"""The eight verbs: each stage turns a configuration and earlier artifacts into one artifact."""
