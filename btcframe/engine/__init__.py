"""Where heavy parts are worked on: in processes of this machine, or on a Ray cluster. The bits are the same."""
