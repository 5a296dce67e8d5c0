"""Transformers for rows: whitening, scaling, tables.  They are fitted on training rows and travel with the model."""
