"""`make segment`: what a segmentation network makes of denoised images."""
