"""How a call is made: what it may cost, when it may go, how it is tried again, and that it is written down."""
