"""The pages in a real browser: what axe finds, what overflows, what the keys do, and what a thousand runs cost."""
