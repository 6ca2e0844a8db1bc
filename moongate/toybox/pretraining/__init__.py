"""How the bundled models came to be: rendering, the trainings one after the other, and their measured
figures.
"""
