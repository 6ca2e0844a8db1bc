"""Personalization methods: what trains, what conditions it, which loss. The loop is not here."""
