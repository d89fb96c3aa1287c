"""Faults: a model endpoint on this machine that answers, fails and changes on command. It knows nothing of the rest."""
