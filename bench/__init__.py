"""How fast the pipeline is, against what people would use instead: `python -m bench`."""
