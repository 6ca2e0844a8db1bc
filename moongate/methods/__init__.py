"""Personalization methods: what trains, what conditions it, which loss, and what is saved. The loop is not
here.
"""
