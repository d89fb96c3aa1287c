"""Hygiene at the door: hidden characters out, secrets and personal data flagged, near-duplicates found."""
