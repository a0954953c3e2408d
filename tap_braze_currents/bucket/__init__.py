"""Access to the bucket: stores, the layout of paths, listings, and reading files ahead."""
