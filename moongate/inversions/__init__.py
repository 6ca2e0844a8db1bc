"""Inversion of pictures, measured: up to z_T, down again, compared with the original and the VAE's floor."""
