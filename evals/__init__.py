"""Questions: how we know it is good. Pure functions of cases and answers; nothing here runs the system."""
