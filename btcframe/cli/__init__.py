"""The command line: verbs and nouns, Hydra and its errors, completion."""
