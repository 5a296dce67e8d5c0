"""steepest: linear models trained by gradient methods, with a certificate of how good the result is."""
