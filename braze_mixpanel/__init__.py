"""Code that the plugins share: errors, settings, files, HTTP, Singer messages, stores, reports."""
