"""Problems from the sciences, most with an exact or best-known front."""
