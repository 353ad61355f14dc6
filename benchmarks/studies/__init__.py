"""Studies that are no plan: forwards, protocols, speed, the paper's figures."""
