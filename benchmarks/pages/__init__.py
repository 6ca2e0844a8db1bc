"""The pages in a real browser: what axe finds, what overflows, keys; and what a thousand runs cost."""
