"""Running cells: campaign, engines, one cell from its images through batches and wrappers to a runtime."""
