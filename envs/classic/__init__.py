"""Small benchmarks of the field, as finite models: their exact fronts are known."""
