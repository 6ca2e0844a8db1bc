"""From the pictures of a run to its figures: galleries, scores per picture, summaries per model."""
