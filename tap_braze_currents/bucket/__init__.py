"""What lies in the bucket: the store, its layout, its errors, and reading ahead."""
