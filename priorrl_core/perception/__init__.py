"""48x48 images: checks, augmentation, the VQ-VAE and the split representation of DAIB."""
