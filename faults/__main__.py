"""`python -m faults`."""

from faults.door import faults

faults(prog_name="python -m faults")
