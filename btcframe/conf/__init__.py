"""The config files, as a package so that Hydra finds them wherever btcframe is installed."""
